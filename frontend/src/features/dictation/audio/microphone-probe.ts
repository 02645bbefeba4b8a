/** A microphone that is only looked at: is it there, and is anything heard. */

import type { Failure } from "../client/failure";
import { Microphone, MicrophoneError, type MicrophoneOptions } from "./microphone";

/** Speech, not the noise of a room: -35 dB. */
const HEARD_LEVEL = 0.018;

export interface ProbeView {
  state: { kind: "off" } | { kind: "opening" } | { kind: "on" } | { kind: "failed"; failure: Failure };
  isHeard: boolean;
}

export class MicrophoneProbe {
  #view: ProbeView = { state: { kind: "off" }, isHeard: false };
  #level = 0;
  #microphone: Microphone | null = null;
  #tries = 0;
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

  /** Look at a microphone, instead of another if there is one. */
  async start(options: MicrophoneOptions): Promise<void> {
    this.stop();
    const mine = this.#tries;
    this.#show({ state: { kind: "opening" }, isHeard: false });
    try {
      const onPiece = ({ level }: { level: number }): void => {
        if (mine === this.#tries) this.#hear(level);
      };
      const microphone = await Microphone.open(options, {
        onPiece,
        onLost: () => mine === this.#tries && this.stop(),
      });
      if (mine !== this.#tries) return void microphone.close();
      this.#microphone = microphone;
      this.#show({ ...this.#view, state: { kind: "on" } });
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      if (mine === this.#tries)
        this.#show({ ...this.#view, state: { kind: "failed", failure: error.failure } });
    }
  }

  stop(): void {
    this.#tries += 1;
    void this.#microphone?.close();
    this.#microphone = null;
    this.#level = 0;
    if (this.#view.state.kind !== "off") this.#show({ ...this.#view, state: { kind: "off" } });
  }

  #hear(level: number): void {
    this.#level = level;
    this.#levelListeners.forEach((listener) => listener());
    if (level > HEARD_LEVEL && !this.#view.isHeard) this.#show({ ...this.#view, isHeard: true });
  }

  #show(view: ProbeView): void {
    this.#view = view;
    this.#listeners.forEach((listener) => listener());
  }
}
