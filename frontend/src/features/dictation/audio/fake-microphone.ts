/** For tests: a microphone whose sound is scripted, and which records whether it was closed. */
import type { OpenMicrophone } from "../capture";
import type { Failure } from "../client/failure";
import { MicrophoneError, type MicrophoneEvents } from "./microphone";

export class FakeMicrophones {
  readonly opened: FakeMicrophone[] = [];
  failure: Failure | null = null;
  /** Set to hold the permission prompt open; call it to allow. */
  prompt: Promise<void> | null = null;

  readonly open: OpenMicrophone = async (_, events) => {
    await this.prompt;
    if (this.failure !== null) throw new MicrophoneError(this.failure);
    const microphone = new FakeMicrophone(events);
    this.opened.push(microphone);
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

  constructor(private readonly events: MicrophoneEvents) {}

  hear(pcm: ArrayBuffer, level = 0.1): void {
    if (!this.isClosed) this.events.onChunk({ pcm, level });
  }

  unplug(): void {
    this.events.onLost();
  }

  mute(isMuted: boolean): void {
    this.isMuted = isMuted;
  }

  flush(): Promise<void> {
    if (this.rest !== null) this.hear(this.rest);
    this.rest = null;
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}
