/** Tries a microphone without sending anything: does it open, and is there sound. */

import type { Failure } from "../client/failure";
import { Microphone, MicrophoneError, type MicrophoneOptions } from "./microphone";

/** Above the noise of a room: -35 dB. */
const SPEECH_LEVEL = 0.018;

export interface ProbeView {
  state: { kind: "off" } | { kind: "opening" } | { kind: "on" } | { kind: "failed"; failure: Failure };
  isHeard: boolean;
}

export class MicrophoneProbe {
  #view: ProbeView = { state: { kind: "off" }, isHeard: false };
  #level = 0;
  #microphone: Microphone | null = null;
  #attempt = 0;
  readonly #listeners = new Set<() => void>();
  readonly #levelListeners = new Set<() => void>();

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
    this.#show({ state: { kind: "opening" }, isHeard: false });
    try {
      const onChunk = ({ level }: { level: number }): void => {
        if (attempt === this.#attempt) this.#handleLevel(level);
      };
      const microphone = await Microphone.open(options, {
        onChunk,
        onLost: () => attempt === this.#attempt && this.stop(),
      });
      if (attempt !== this.#attempt) return void microphone.close();
      this.#microphone = microphone;
      this.#show({ ...this.#view, state: { kind: "on" } });
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      if (attempt === this.#attempt)
        this.#show({ ...this.#view, state: { kind: "failed", failure: error.failure } });
    }
  }

  stop(): void {
    this.#attempt += 1;
    void this.#microphone?.close();
    this.#microphone = null;
    this.#level = 0;
    if (this.#view.state.kind !== "off") this.#show({ ...this.#view, state: { kind: "off" } });
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
