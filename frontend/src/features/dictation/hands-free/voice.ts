/** The browser's own voice: one text at a time, in the right language, and around Chromium's known faults. */

/** Chromium loses a text that is given right after a cancel. */
const CANCEL_PAUSE_MS = 80;
/** Chromium lists its voices late; some browsers never do. */
const VOICES_TIMEOUT_MS = 2000;
/** A text that has not begun by then never will. */
const START_TIMEOUT_MS = 5000;
/** The slowest reading: Chromium may lose the end of a text. */
const MS_PER_CHAR = 160;

export type SpeechEngine = Pick<
  SpeechSynthesis,
  "speak" | "cancel" | "resume" | "getVoices" | "addEventListener" | "removeEventListener" | "paused"
>;
/** How a text ended. `no_voice`: none on this machine speaks the language. */
export type SpokenEnd = "done" | "cancelled" | "no_voice" | "failed";

export class Voice {
  #count = 0;
  #cancelledAtMs = -Infinity;
  #endCurrent: (end: SpokenEnd) => void = () => undefined;
  /** Kept: Chromium sends no events for a text that was garbage-collected. */
  #current: SpeechSynthesisUtterance | null = null;

  /** @param engine undefined where the browser has none */
  constructor(private readonly engine: SpeechEngine | undefined = window.speechSynthesis) {}

  get isAvailable(): boolean {
    return this.engine !== undefined;
  }

  /** Within a press: some browsers read nothing aloud before they have in answer to one. */
  prime(): void {
    if (this.engine === undefined) return;
    const nothing = new SpeechSynthesisUtterance(" ");
    nothing.volume = 0;
    this.engine.speak(nothing);
  }

  /** Say a text after what is being said was cancelled. Resolves to how it ended. */
  async speak(text: string, lang: string): Promise<SpokenEnd> {
    const { engine } = this;
    if (engine === undefined) return "no_voice";
    this.cancel();
    const count = this.#count;
    const voices = await waitForVoices(engine);
    await wait(this.#cancelledAtMs + CANCEL_PAUSE_MS - performance.now());
    if (count !== this.#count) return "cancelled";
    const voice = pickVoice(voices, lang, navigator.languages);
    if (voice === null && voices.length > 0) return "no_voice";
    return await this.#say(engine, text, voice?.lang ?? lang, voice);
  }

  /** Fall silent at once. */
  cancel(): void {
    this.#count += 1;
    if (this.#current === null) return;
    this.engine?.cancel();
    this.#cancelledAtMs = performance.now();
    this.#endCurrent("cancelled");
  }

  #say(
    engine: SpeechEngine,
    text: string,
    lang: string,
    voice: SpeechSynthesisVoice | null,
  ): Promise<SpokenEnd> {
    return new Promise((resolve) => {
      const utterance = new SpeechSynthesisUtterance(text);
      utterance.lang = lang;
      if (voice !== null) utterance.voice = voice;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const end = (how: SpokenEnd): void => {
        if (this.#current !== utterance) return; // events of a cancelled text come late
        clearTimeout(timer);
        this.#current = null;
        resolve(how);
      };
      const giveUp = (how: SpokenEnd): void => {
        engine.cancel();
        this.#cancelledAtMs = performance.now();
        end(how);
      };
      utterance.onstart = () => {
        clearTimeout(timer);
        if (this.#current !== utterance) return;
        timer = setTimeout(() => giveUp("done"), START_TIMEOUT_MS + text.length * MS_PER_CHAR);
      };
      utterance.onend = () => end("done");
      // Another page may have taken the voice: the next text is tried.
      utterance.onerror = ({ error }) =>
        end(error === "interrupted" || error === "canceled" ? "done" : "failed");
      timer = setTimeout(() => giveUp("failed"), START_TIMEOUT_MS);
      this.#current = utterance;
      this.#endCurrent = end;
      if (engine.paused) engine.resume(); // a page that was paused stays so for all texts
      engine.speak(utterance);
    });
  }
}

/**
 * A voice of this machine for a language: other voices send the text to their maker. Of several the one of
 * the user's region, or else the browser's default.
 *
 * @param preferred BCP-47 tags, best first
 */
export function pickVoice(
  voices: readonly SpeechSynthesisVoice[],
  lang: string,
  preferred: readonly string[],
): SpeechSynthesisVoice | null {
  const normalize = (tag: string): string => tag.toLowerCase().replace("_", "-");
  const primary = (tag: string): string => normalize(tag).split("-")[0] ?? "";
  const found = voices.filter((voice) => voice.localService && primary(voice.lang) === primary(lang));
  for (const tag of [lang, ...preferred]) {
    const regional = found.filter((voice) => normalize(voice.lang) === normalize(tag));
    const best = regional.find((voice) => voice.default) ?? regional[0];
    if (best) return best;
  }
  return found.find((voice) => voice.default) ?? found[0] ?? null;
}

function waitForVoices(
  engine: SpeechEngine,
): Promise<readonly SpeechSynthesisVoice[]> | SpeechSynthesisVoice[] {
  const now = engine.getVoices();
  if (now.length > 0) return now;
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      engine.removeEventListener("voiceschanged", end);
      resolve(engine.getVoices());
    };
    const timer = setTimeout(end, VOICES_TIMEOUT_MS);
    engine.addEventListener("voiceschanged", end);
  });
}

async function wait(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
