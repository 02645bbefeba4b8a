/** Reads answers aloud, sentence by sentence as they stream, until it is told to stop. Without React. */
import { detectLanguage } from "./language";
import { SentenceReader } from "./sentences";
import type { Voice } from "./voice";

/** How much of what was read last may be heard again by the microphone. */
const MAX_ECHO_CHARS = 600;

/** The answer that the page shows, as far as it has come. */
export interface AnswerProgress {
  /** Null until the server has stored the question. */
  id: string | null;
  /** Markdown. */
  text: string;
  state: "coming" | "over" | "stopped";
  /** The tool that waits for the user's approval; null where none does. */
  asking: string | null;
}

/** `held`: somebody may be speaking; it goes on with the same sentence, or not at all. */
export type ReadingState = "silent" | "reading" | "held" | "no_voice" | "failed";

export interface ReadAloudSetup {
  voice: Voice;
  /** The language of the page, which announcements have too. */
  readLanguage: () => string;
  /** What is said in place of a block of code, in the language of the answer. */
  nameCode: (language: string, lang: string) => string;
  announceTool: (tool: string) => string;
}

interface Sentence {
  text: string;
  lang: string;
}

export class ReadAloud {
  readonly #setup: ReadAloudSetup;
  #isOn = false;
  #state: ReadingState = "silent";
  #queue: Sentence[] = [];
  #isRunning = false;
  #reader = new SentenceReader();
  /** The answer that is read; undefined before the first. */
  #answerId: string | null | undefined = undefined;
  /** The last answer that has an id. */
  #storedId: string | null = null;
  #asking: string | null = null;
  /** The user wants to hear no more of this answer. */
  #isSkipped = false;
  #recent = "";
  readonly #listeners = new Set<() => void>();

  constructor(setup: ReadAloudSetup) {
    this.#setup = setup;
  }

  readonly get = (): ReadingState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Whether the browser has a voice at all. */
  get isAvailable(): boolean {
    return this.#setup.voice.isAvailable;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** What was read last, for comparison with what is heard. */
  get recent(): string {
    return this.#recent;
  }

  switch(isOn: boolean): void {
    if (isOn === this.#isOn) return;
    this.#isOn = isOn;
    if (!isOn) this.#silence("silent");
  }

  /** Within a press that wants answers aloud. */
  prime(): void {
    this.#setup.voice.prime();
  }

  /** The answer has grown. One that was over when it was first shown is not read. */
  readonly follow = (answer: AnswerProgress | null): void => {
    if (answer === null) return;
    const before = this.#answerId;
    const isNew = before === undefined || (before !== answer.id && before !== null);
    // The text was refused: the answer before it is the last again.
    const isOld = answer.id !== null && before === null && answer.id === this.#storedId;
    this.#storedId = answer.id ?? this.#storedId;
    if (isNew) this.#begin();
    if (isOld || (isNew && answer.state !== "coming")) this.#isSkipped = true;
    this.#answerId = answer.id;
    if (answer.state === "stopped") return this.skip();
    if (!this.#isOn || this.#isSkipped) return;
    const lang = detectLanguage(answer.text, this.#setup.readLanguage());
    for (const piece of this.#reader.take(answer.text, answer.state === "over")) {
      const text = piece.kind === "text" ? piece.text : this.#setup.nameCode(piece.language, lang);
      this.#queue.push({ text, lang });
    }
    if (answer.asking !== null && answer.asking !== this.#asking)
      this.say(this.#setup.announceTool(answer.asking));
    this.#asking = answer.asking;
    void this.#run();
  };

  /** Another conversation is shown: its answer was asked for before, and is not read. */
  readonly pass = (answer: AnswerProgress | null): void => {
    this.skip();
    this.#answerId = answer?.id;
    this.#storedId = answer?.id ?? null;
  };

  /** Say a sentence of the page, after what is being read. */
  readonly say = (text: string): void => {
    if (!this.#isOn) return;
    this.#queue.push({ text, lang: this.#setup.readLanguage() });
    void this.#run();
  };

  /** Read no more of this answer. */
  readonly skip = (): void => {
    this.#isSkipped = true;
    this.#silence("silent");
  };

  /** Fall silent until it is known whether somebody speaks. */
  readonly hold = (): void => {
    if (this.#state !== "reading") return;
    this.#set("held");
    this.#setup.voice.cancel();
  };

  /** Go on with the sentence where `hold` fell silent. */
  readonly release = (): void => {
    if (this.#state !== "held") return;
    this.#set("silent");
    void this.#run();
  };

  #begin(): void {
    this.#silence("silent");
    this.#reader = new SentenceReader();
    this.#isSkipped = false;
    this.#asking = null;
  }

  #silence(state: ReadingState): void {
    this.#queue = [];
    this.#set(state);
    this.#setup.voice.cancel();
  }

  async #run(): Promise<void> {
    if (this.#isRunning || this.#state === "held") return;
    this.#isRunning = true;
    try {
      for (;;) {
        const [sentence] = this.#queue;
        if (sentence === undefined) break;
        this.#set("reading");
        if (!this.#is("reading")) return; // somebody speaks, or dictates
        this.#recent = `${this.#recent} ${sentence.text}`.slice(-MAX_ECHO_CHARS);
        const end = await this.#setup.voice.speak(sentence.text, sentence.lang);
        if (end === "done" && this.#queue[0] === sentence) this.#queue.shift();
        if (end === "no_voice" || end === "failed") {
          this.#isSkipped = true;
          return this.#silence(end);
        }
        if (this.#is("held")) return;
      }
    } finally {
      this.#isRunning = false;
    }
    if (this.#is("reading")) this.#set("silent");
  }

  /** The state may have changed during a wait. */
  #is(state: ReadingState): boolean {
    return this.#state === state;
  }

  #set(state: ReadingState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#listeners.forEach((listener) => listener());
  }
}
