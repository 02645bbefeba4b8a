/**
 * One period with the microphone on: its audio goes to one dictation session, and both end together. And
 * speech that an earlier page left behind, which goes to a session of its own.
 */
import { MicrophoneError, type MicrophoneOptions, type OpenMicrophone } from "./audio/microphone";
import type { Sound } from "./audio/sound-watch";
import type { Failure } from "./client/failure";
import type { SessionEvent, StartConfig } from "./client/messages";
import { DictationSession, type SessionOptions } from "./client/session";
import type { LeftSpeech } from "./unsent/unsent-speech";

/** What the settings ask of a dictation. */
export interface DictationOptions {
  config: StartConfig;
  microphone: MicrophoneOptions;
  /** Utterances end by themselves, after a pause. */
  endsUtterances: boolean;
}

/** What becomes text in a dictation of its own. */
export interface Recording {
  id: string;
  /** Resolves when no final follows, to whether all that was said has become final. */
  ended: Promise<boolean>;
  stop: () => Promise<boolean>;
  /** Record no last moment. */
  hurry: () => void;
  flush: () => Promise<boolean>;
}

export interface CaptureOptions extends Pick<SessionOptions, "id" | "connect" | "credentials" | "keeper"> {
  settings: DictationOptions;
  openMicrophone: OpenMicrophone;
  onEvent: (event: SessionEvent) => void;
  /** The level of 100 ms, 0 to 1; 0 when the microphone is off. */
  onLevel: (level: number) => void;
  /** What comes from the microphone, at each change. */
  onSound: (sound: Sound) => void;
  /** The microphone cannot be opened, or is gone. What was said before still becomes final. */
  onMicrophoneFailed: (failure: Failure) => void;
}

export class Capture implements Recording {
  readonly id: string;
  readonly endsUtterances: boolean;
  readonly ended: Promise<boolean>;
  readonly #options: CaptureOptions;
  readonly #session: DictationSession;
  #microphone: Awaited<ReturnType<OpenMicrophone>> | null = null;
  #isOff = false;
  #isComplete = true;
  #isMuted = false;
  #isStopping = false;

  constructor(options: CaptureOptions) {
    this.#options = options;
    this.id = options.id;
    this.endsUtterances = options.settings.endsUtterances;
    let end: (isComplete: boolean) => void = () => undefined;
    this.ended = new Promise((resolve) => (end = resolve));
    const { id, connect, credentials, keeper = null } = options;
    this.#session = new DictationSession({
      ...{ id, connect, credentials, keeper },
      config: options.settings.config,
      onEvent: (event) => {
        if (event.type === "full") void this.stop();
        if (isFinished(event)) this.#closeMicrophone();
        if (event.type === "state" && event.state.kind === "failed") this.#isComplete = false;
        options.onEvent(event);
        if (isFinished(event)) end(this.#isComplete);
      },
    });
    void this.#openMicrophone();
  }

  /**
   * Switch the microphone off, once it has recorded the last moment. Resolves when no final follows, to
   * whether all that was said is final.
   */
  async stop(): Promise<boolean> {
    if (this.#microphone === null) this.cancel(); // nothing was recorded yet
    if (!this.#isStopping) void this.#finish();
    return await this.ended;
  }

  /** Record no last moment: the next microphone hears already, or this one would hear this device. */
  hurry(): void {
    this.#microphone?.hurry();
  }

  cancel(): void {
    this.#session.cancel();
    this.#closeMicrophone();
  }

  /** Ask for the finals of all that was said so far. Resolves to whether they have come. */
  async flush(): Promise<boolean> {
    await this.#microphone?.flush();
    await this.#session.flush();
    return this.#isComplete;
  }

  mute(isMuted: boolean): void {
    this.#isMuted = isMuted;
    this.#microphone?.mute(isMuted);
  }

  async #openMicrophone(): Promise<void> {
    const { openMicrophone, settings, onLevel, onSound, onMicrophoneFailed } = this.#options;
    let isDeaf = false;
    try {
      const microphone = await openMicrophone(settings.microphone, {
        onChunk: ({ pcm, level }) => {
          this.#session.sendAudio(pcm);
          if (!this.#isOff && !isDeaf) onLevel(level); // a piece may be on its way still
        },
        onSound: (sound) => {
          if (this.#isOff) return;
          isDeaf = sound !== "live" && sound !== "opening";
          if (isDeaf) onLevel(0);
          onSound(sound);
        },
        onLost: (failure) => {
          onMicrophoneFailed(failure);
          void this.stop();
          this.hurry(); // it gives nothing more
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

  async #finish(): Promise<void> {
    this.#isStopping = true;
    if (this.#isOff) return;
    await this.#microphone?.finish();
    this.#session.stop();
    this.#closeMicrophone();
  }

  #closeMicrophone(): void {
    if (this.#isOff) return;
    this.#isOff = true;
    void this.#microphone?.close();
    this.#options.onLevel(0);
  }
}

interface ResendOptions extends Pick<SessionOptions, "id" | "connect" | "credentials" | "onEvent"> {
  left: LeftSpeech;
}

/** Sends speech that an earlier page left behind. */
export class Resend implements Recording {
  readonly id: string;
  readonly ended: Promise<boolean>;
  readonly #session: DictationSession;

  constructor({ onEvent, ...options }: ResendOptions) {
    this.id = options.id;
    let end: (isComplete: boolean) => void = () => undefined;
    this.ended = new Promise((resolve) => (end = resolve));
    this.#session = new DictationSession({
      ...options,
      config: options.left.record.config,
      onEvent: (event) => {
        onEvent(event);
        if (isFinished(event)) end(event.type === "state" && event.state.kind === "ended");
      },
    });
    this.#session.stop();
  }

  stop(): Promise<boolean> {
    return this.ended;
  }

  hurry(): void {
    // Nothing is recorded here.
  }

  flush(): Promise<boolean> {
    return this.ended;
  }
}

export function isFinished(event: SessionEvent): boolean {
  return event.type === "state" && (event.state.kind === "ended" || event.state.kind === "failed");
}
