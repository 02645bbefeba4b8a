/** For tests: a browser's voices that say each text until they are told that it has ended. */
import type { SpeechEngine } from "./voice";

export function newVoice(lang: string, more: Partial<SpeechSynthesisVoice> = {}): SpeechSynthesisVoice {
  return { lang, name: `Fake ${lang}`, voiceURI: lang, default: false, localService: true, ...more };
}

export class FakeUtterance {
  lang = "";
  voice: SpeechSynthesisVoice | null = null;
  volume = 1;
  onstart: (() => void) | null = null;
  onend: (() => void) | null = null;
  onerror: ((event: { error: string }) => void) | null = null;

  constructor(readonly text: string) {}
}

export class FakeSpeechEngine {
  readonly said: FakeUtterance[] = [];
  cancelCount = 0;
  paused = false;
  #current: FakeUtterance | null = null;
  #isDeaf = false;
  readonly #listeners = new Set<() => void>();

  constructor(public voices: SpeechSynthesisVoice[] = [newVoice("en-US"), newVoice("es-ES")]) {}

  /** As the page sees it. */
  get engine(): SpeechEngine {
    return this as unknown as SpeechEngine;
  }

  /** The texts that were begun. */
  get texts(): string[] {
    return this.said.map(({ text }) => text);
  }

  get current(): FakeUtterance | null {
    return this.#current;
  }

  speak(utterance: FakeUtterance): void {
    if (this.#isDeaf || utterance.volume === 0) return; // as Chromium right after a cancel
    this.said.push(utterance);
    this.#current = utterance;
    utterance.onstart?.();
  }

  /** Like Chromium: the end of what is said is told later, and a text that is given at once is lost. */
  cancel(): void {
    this.cancelCount += 1;
    const cancelled = this.#current;
    this.#current = null;
    this.#isDeaf = true;
    setTimeout(() => {
      this.#isDeaf = false;
      cancelled?.onerror?.({ error: "interrupted" });
    }, 50);
  }

  /** The text that is being said has ended. */
  finish(error?: string): void {
    const done = this.#current;
    this.#current = null;
    if (error === undefined) done?.onend?.();
    else done?.onerror?.({ error });
  }

  resume(): void {
    this.paused = false;
  }

  getVoices(): SpeechSynthesisVoice[] {
    return this.voices;
  }

  addEventListener(_type: string, listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: string, listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** The voices are there at last. */
  bring(voices: SpeechSynthesisVoice[]): void {
    this.voices = voices;
    this.#listeners.forEach((listener) => listener());
  }
}
