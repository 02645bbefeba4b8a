/** For tests: a microphone whose sound is scripted, and which records whether it was closed. */
import type { Failure, FailureKind } from "../client/failure";
import { MicrophoneError, type MicrophoneEvents, type OpenMicrophone } from "./microphone";
import type { Sound } from "./sound-watch";

export class FakeMicrophones {
  readonly opened: FakeMicrophone[] = [];
  failure: Failure | null = null;
  /** Set to hold the permission prompt open; call it to allow. */
  prompt: Promise<void> | null = null;
  /** Whether sound comes in as soon as a microphone is open. */
  isLive = true;

  readonly open: OpenMicrophone = async (_, events) => {
    if (this.prompt !== null) events.onSound("asked");
    await this.prompt;
    if (this.failure !== null) throw new MicrophoneError(this.failure);
    const microphone = new FakeMicrophone(events);
    this.opened.push(microphone);
    microphone.tell(this.isLive ? "live" : "opening");
    return microphone;
  };

  get last(): FakeMicrophone {
    const microphone = this.opened.at(-1);
    if (microphone === undefined) throw new Error("no microphone was opened");
    return microphone;
  }
}

export class FakeMicrophone {
  isMuted = false;
  isClosed = false;
  /** The last audio, which comes with `flush`. */
  rest: ArrayBuffer | null = null;
  /** Set to hold the moment open that is recorded after Stop. */
  tail: Promise<void> | null = null;
  isHurried = false;

  constructor(private readonly events: MicrophoneEvents) {}

  hear(pcm: ArrayBuffer, level = 0.1): void {
    if (!this.isClosed) this.events.onChunk({ pcm, level, isMissing: false });
  }

  /** What comes from it changes. */
  tell(sound: Sound): void {
    this.events.onSound(sound);
  }

  lose(kind: FailureKind = "device_lost"): void {
    this.events.onLost({ kind, detail: "" });
  }

  mute(isMuted: boolean): void {
    this.isMuted = isMuted;
  }

  flush(): Promise<void> {
    if (this.rest !== null) this.hear(this.rest);
    this.rest = null;
    return Promise.resolve();
  }

  async finish(): Promise<void> {
    if (this.tail !== null) await this.tail;
    await this.flush();
  }

  hurry(): void {
    this.isHurried = true;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}
