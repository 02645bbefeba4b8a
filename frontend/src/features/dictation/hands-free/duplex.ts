/** Keeps a voice that reads aloud and a microphone that listens apart: the page never answers itself. */
import type { ReadAloud } from "./read-aloud";
import { isEcho } from "./utterances";

/** The room is still after the voice has ended. */
const ROOM_MS = 300;

export interface DuplexSetup {
  reading: ReadAloud;
  /** Whether the browser takes out of the microphone what the machine plays. */
  cancelsEcho: () => boolean;
  /** Whether the microphone is on, and not muted. */
  hears: () => boolean;
  /** Whether somebody dictates, and not to have a conversation: nothing is read into that. */
  isDictating: () => boolean;
  /** Whether somebody speaks. */
  isSpeaking: () => boolean;
  mute: (isMuted: boolean) => void;
}

/**
 * `full`: one can speak while it reads. `half`: the microphone is off meanwhile, as there is no echo
 * cancellation, or the microphone heard the voice all the same: many systems speak past the browser.
 */
type DuplexMode = "full" | "half";

export class Duplex {
  readonly #setup: DuplexSetup;
  #hasLeaked = false;
  #isMuting = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(setup: DuplexSetup) {
    this.#setup = setup;
  }

  get mode(): DuplexMode {
    return this.#hasLeaked || !this.#setup.cancelsEcho() ? "half" : "full";
  }

  /** Whether the microphone is muted for the voice, and not by the user. */
  get isMuting(): boolean {
    return this.#isMuting;
  }

  /** Follow the voice, until the function that is returned is called. */
  open(): () => void {
    const leave = this.#setup.reading.subscribe(() => this.#handleReading());
    return () => {
      leave();
      this.#unmute();
    };
  }

  /** Somebody is heard: the voice falls silent until it is known who. */
  handleSpeech(): void {
    this.#setup.reading.hold();
  }

  /** What was heard has become a text. Whether it was the voice. */
  isVoice(text: string): boolean {
    const { reading } = this.#setup;
    if (reading.get() !== "held" && reading.get() !== "reading") return false;
    if (!isEcho(text, reading.recent)) {
      reading.skip(); // a person interrupts
      return false;
    }
    this.#hasLeaked = true;
    reading.release();
    return true;
  }

  /** What was heard came to nothing. */
  handleNothing(): void {
    this.#setup.reading.release();
  }

  /** The microphone was switched on or off: a new one is not muted. */
  handleMicrophone(): void {
    clearTimeout(this.#timer);
    this.#isMuting = false;
    this.#handleReading();
  }

  /** The microphone is not muted any more: what mutes it from now on is the user. */
  handleUnmuted(): void {
    clearTimeout(this.#timer);
    this.#isMuting = false;
  }

  #handleReading(): void {
    const { reading, hears, isDictating, isSpeaking, mute } = this.#setup;
    const isReading = reading.get() === "reading";
    if (isReading && isDictating()) return reading.skip();
    if (isReading && isSpeaking()) return reading.hold();
    if (isReading && this.mode === "half") {
      clearTimeout(this.#timer);
      if (this.#isMuting || !hears()) return; // a user who muted it also switches it on
      this.#isMuting = true;
      mute(true);
    } else if (this.#isMuting) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#unmute(), ROOM_MS);
    }
  }

  #unmute(): void {
    clearTimeout(this.#timer);
    if (!this.#isMuting) return;
    this.#isMuting = false;
    this.#setup.mute(false);
  }
}
