/** One time that the microphone is on: what it hears goes to one dictation session, and both end together. */

import {
  type Microphone,
  MicrophoneError,
  type MicrophoneEvents,
  type MicrophoneOptions,
} from "./audio/microphone";
import { SilenceWatch } from "./audio/silence-watch";
import type { Failure } from "./client/failure";
import type { SessionEvent, StartConfig } from "./client/messages";
import { SAMPLE_RATE_HZ } from "./client/outgoing";
import { DictationSession, type SessionOptions } from "./client/session";

const BYTES_PER_MS = (2 * SAMPLE_RATE_HZ) / 1000;

export type OpenMicrophone = (
  options: MicrophoneOptions,
  events: MicrophoneEvents,
) => Promise<Pick<Microphone, "mute" | "flush" | "close">>;

/** What a person wants of a dictation. */
export interface Wishes {
  config: StartConfig;
  microphone: MicrophoneOptions;
  /** Listening goes on while texts are sent. */
  isHandsFree: boolean;
}

export interface RunOptions extends Pick<SessionOptions, "id" | "connect" | "credentials"> {
  wishes: Wishes;
  openMicrophone: OpenMicrophone;
  onEvent: (event: SessionEvent) => void;
  /** Loudness of 100 ms, 0 to 1; 0 when the microphone is off. */
  onLevel: (level: number) => void;
  /** Nothing at all comes from the microphone, though it is not muted; or something does again. */
  onSilent: (isSilent: boolean) => void;
  /** The microphone is not to be had, or gone. What was said till then still becomes final. */
  onMicrophoneFailed: (failure: Failure) => void;
}

export class Run {
  readonly id: string;
  readonly isHandsFree: boolean;
  /** Resolves when no final follows: whether all that was said has come to one. */
  readonly ended: Promise<boolean>;
  readonly #options: RunOptions;
  readonly #session: DictationSession;
  #microphone: Awaited<ReturnType<OpenMicrophone>> | null = null;
  #isOff = false;
  #isWhole = true;
  #isMuted = false;
  readonly #silence = new SilenceWatch();

  constructor(options: RunOptions) {
    this.#options = options;
    this.id = options.id;
    this.isHandsFree = options.wishes.isHandsFree;
    let end: (isWhole: boolean) => void = () => undefined;
    this.ended = new Promise((resolve) => (end = resolve));
    this.#session = new DictationSession({
      connect: options.connect,
      credentials: options.credentials,
      id: options.id,
      config: options.wishes.config,
      onEvent: (event) => {
        if (isEnd(event)) this.#hush();
        if (event.type === "state" && event.state.kind === "failed") this.#isWhole = false;
        options.onEvent(event);
        if (isEnd(event)) end(this.#isWhole);
      },
    });
    void this.#listen();
  }

  /** Switch the microphone off; resolves when all that was said is final, or never will be. */
  async stop(): Promise<boolean> {
    if (this.#microphone === null) this.cancel(); // nothing was heard yet
    if (!this.#isOff) {
      await this.#microphone?.flush();
      this.#session.stop();
      this.#hush();
    }
    return await this.ended;
  }

  cancel(): void {
    this.#session.cancel();
    this.#hush();
  }

  /** Resolves when all that was said so far is final, or never will be. */
  async flush(): Promise<boolean> {
    await this.#microphone?.flush();
    await this.#session.flush();
    return this.#isWhole;
  }

  mute(isMuted: boolean): void {
    this.#isMuted = isMuted;
    this.#silence.reset();
    this.#options.onSilent(false);
    this.#microphone?.mute(isMuted);
  }

  async #listen(): Promise<void> {
    const { openMicrophone, wishes, onLevel, onSilent, onMicrophoneFailed } = this.#options;
    try {
      const microphone = await openMicrophone(wishes.microphone, {
        onPiece: ({ pcm, level }) => {
          this.#session.audio(pcm);
          if (this.#isOff) return;
          onLevel(level);
          if (!this.#isMuted) onSilent(this.#silence.hear(level, pcm.byteLength / BYTES_PER_MS));
        },
        onLost: () => {
          onMicrophoneFailed({ kind: "device_lost", detail: "" });
          void this.stop();
        },
      });
      if (this.#isOff) return void microphone.close();
      this.#microphone = microphone;
      microphone.mute(this.#isMuted);
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      if (this.#isOff) return;
      onMicrophoneFailed(error.failure);
      this.cancel();
    }
  }

  #hush(): void {
    if (this.#isOff) return;
    this.#isOff = true;
    void this.#microphone?.close();
    this.#options.onLevel(0);
  }
}

export function isEnd(event: SessionEvent): boolean {
  return event.type === "state" && (event.state.kind === "ended" || event.state.kind === "failed");
}
