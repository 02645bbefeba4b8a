/** An open microphone: a stream, and the desk that records it, which are both given back when it is closed. */

import type { Failure, FailureKind } from "../client/failure";
import { Desk } from "./desk";
import type { Piece } from "./recorder";

export interface MicrophoneOptions {
  /** "" is the browser's choice. */
  deviceId: string;
  echoCancellation: boolean;
  noiseSuppression: boolean;
}

export interface MicrophoneEvents {
  onPiece: (piece: Piece) => void;
  /** The device was pulled out, or the permission taken back. */
  onLost: () => void;
}

export class MicrophoneError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
    this.name = "MicrophoneError";
  }
}

export class Microphone {
  readonly #source: MediaStreamAudioSourceNode;
  #onPiece: MicrophoneEvents["onPiece"] = () => undefined;

  private constructor(
    private readonly stream: MediaStream,
    private readonly desk: Desk,
  ) {
    this.#source = desk.context.createMediaStreamSource(stream);
  }

  /**
   * Make ready to record, then ask for the microphone: no moment lies between its first sample and ours.
   *
   * @throws MicrophoneError with the kind of failure.
   */
  static async open(options: MicrophoneOptions, events: MicrophoneEvents): Promise<Microphone> {
    // Browsers leave mediaDevices out where a page has no https and is not on this machine.
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (devices === undefined) throw new MicrophoneError({ kind: "insecure", detail: "" });
    const desk = await Desk.make().catch((error: unknown) => Promise.reject(unsupported(error)));
    let stream: MediaStream | null = null;
    try {
      stream = await openStream(devices, options);
      const microphone = new Microphone(stream, desk);
      microphone.#listen(events);
      await desk.resume(); // some browsers let no sound run before
      return microphone;
    } catch (error) {
      if (stream !== null) stopTracks(stream);
      void desk.close();
      throw error instanceof MicrophoneError ? error : unsupported(error);
    }
  }

  /** Muted it records silence, so that an utterance comes to its end. */
  mute(isMuted: boolean): void {
    for (const track of this.stream.getAudioTracks()) track.enabled = !isMuted;
  }

  /** Resolves when `onPiece` has got everything that was said before the call. */
  flush(): Promise<void> {
    return this.desk.ask("flush");
  }

  /** Nothing is heard from the call on. */
  async close(): Promise<void> {
    this.#onPiece = () => undefined;
    stopTracks(this.stream);
    this.#source.disconnect();
    await this.desk.close();
  }

  #listen({ onPiece, onLost }: MicrophoneEvents): void {
    this.#onPiece = onPiece;
    this.desk.onPiece = (piece) => this.#onPiece(piece);
    this.#source.connect(this.desk.node);
    for (const track of this.stream.getAudioTracks()) track.onended = onLost;
  }
}

function unsupported(error: unknown): MicrophoneError {
  return new MicrophoneError({ kind: "unsupported", detail: error instanceof Error ? error.message : "" });
}

async function openStream(devices: MediaDevices, options: MicrophoneOptions): Promise<MediaStream> {
  const { deviceId, echoCancellation, noiseSuppression } = options;
  const wanted = { echoCancellation, noiseSuppression, autoGainControl: noiseSuppression, channelCount: 1 };
  try {
    return await devices.getUserMedia({
      audio: deviceId === "" ? wanted : { ...wanted, deviceId: { exact: deviceId } },
    });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    // The chosen device is not there today: any other is better than none.
    if (deviceId !== "" && (name === "OverconstrainedError" || name === "NotFoundError")) {
      return await openStream(devices, { ...options, deviceId: "" });
    }
    throw new MicrophoneError({ kind: REFUSALS[name] ?? "no_device", detail: "" });
  }
}

const REFUSALS: Record<string, FailureKind> = {
  NotAllowedError: "no_permission",
  SecurityError: "no_permission",
  NotFoundError: "no_device",
  NotReadableError: "device_busy",
};

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}
