/** Tries a microphone without sending anything: does it open, and is there sound. */

import type { Failure } from "../client/failure";
import {
  Microphone,
  MicrophoneError,
  type MicrophoneEvents,
  type MicrophoneOptions,
  type OpenMicrophone,
} from "./microphone";
import type { Sound } from "./sound-watch";

/** Above the noise of a room: -35 dB. */
const SPEECH_LEVEL = 0.018;

export interface ProbeView {
  state: { kind: "off" } | { kind: "opening" } | { kind: "on" } | { kind: "failed"; failure: Failure };
  /** What comes from the microphone that is open, or is being opened. */
  sound: Sound;
  isHeard: boolean;
}

export class MicrophoneProbe {
  #view: ProbeView = { state: { kind: "off" }, sound: "opening", isHeard: false };
  #level = 0;
  #microphone: Awaited<ReturnType<OpenMicrophone>> | null = null;
  #attempt = 0;
  readonly #listeners = new Set<() => void>();
  readonly #levelListeners = new Set<() => void>();

  constructor(private readonly open: OpenMicrophone = (...args) => Microphone.open(...args)) {}

  readonly get = (): ProbeView => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly level = (): number => this.#level;

  readonly subscribeLevel = (listener: () => void): (() => void) => {
    this.#levelListeners.add(listener);
    return () => this.#levelListeners.delete(listener);
  };

  /** Try a microphone; one that is being tried is closed first. */
  async start(options: MicrophoneOptions): Promise<void> {
    this.stop();
    const attempt = this.#attempt;
    this.#show({ state: { kind: "opening" }, sound: "opening", isHeard: false });
    const isCurrent = (): boolean => attempt === this.#attempt;
    const events: MicrophoneEvents = {
      onChunk: ({ level }) => isCurrent() && this.#handleLevel(level),
      onSound: (sound) => isCurrent() && this.#show({ ...this.#view, sound }),
      onLost: (failure) => isCurrent() && this.#end({ kind: "failed", failure }),
    };
    try {
      const microphone = await this.open(options, events);
      if (!isCurrent()) return void microphone.close();
      this.#microphone = microphone;
      this.#show({ ...this.#view, state: { kind: "on" } });
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      if (isCurrent()) this.#end({ kind: "failed", failure: error.failure });
    }
  }

  stop(): void {
    if (this.#view.state.kind !== "off") this.#end({ kind: "off" });
  }

  #end(state: ProbeView["state"]): void {
    this.#attempt += 1;
    void this.#microphone?.close();
    this.#microphone = null;
    this.#level = 0;
    this.#show({ ...this.#view, state });
  }

  #handleLevel(level: number): void {
    this.#level = level;
    this.#levelListeners.forEach((listener) => listener());
    if (level > SPEECH_LEVEL && !this.#view.isHeard) this.#show({ ...this.#view, isHeard: true });
  }

  #show(view: ProbeView): void {
    this.#view = view;
    this.#listeners.forEach((listener) => listener());
  }
}
