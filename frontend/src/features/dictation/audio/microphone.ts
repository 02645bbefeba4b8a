/** An open microphone: a stream, a context and a worklet, all of which are given back when it is closed. */

import type { Failure, FailureKind } from "../client/failure";
import type { Piece } from "./recorder";
import workletUrl from "./recorder.worklet.ts?worker&url";

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

/** How long the audio thread may take to answer. */
const ANSWER_MS = 300;
type Answer = "flushed" | "over";

export class MicrophoneError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
    this.name = "MicrophoneError";
  }
}

export class Microphone {
  readonly #source: MediaStreamAudioSourceNode;
  readonly #answers = new Set<(answer: Answer) => void>();
  #onPiece: MicrophoneEvents["onPiece"] = () => undefined;

  private constructor(
    private readonly stream: MediaStream,
    private readonly context: AudioContext,
    private readonly node: AudioWorkletNode,
  ) {
    this.#source = context.createMediaStreamSource(stream);
  }

  /**
   * Ask for the microphone and listen.
   *
   * @throws MicrophoneError with the kind of failure.
   */
  static async open(options: MicrophoneOptions, events: MicrophoneEvents): Promise<Microphone> {
    const stream = await openStream(options);
    let context: AudioContext | null = null;
    try {
      context = new AudioContext({ latencyHint: "interactive" });
      await context.audioWorklet.addModule(workletUrl);
      if (context.state === "suspended") await context.resume();
      const node = new AudioWorkletNode(context, "prompter-recorder", { numberOfOutputs: 0 });
      const microphone = new Microphone(stream, context, node);
      microphone.#listen(events);
      return microphone;
    } catch (error) {
      stopTracks(stream);
      await context?.close();
      throw new MicrophoneError({ kind: "unsupported", detail: error instanceof Error ? error.message : "" });
    }
  }

  /** Muted it records silence, so that an utterance comes to its end. */
  mute(isMuted: boolean): void {
    for (const track of this.stream.getAudioTracks()) track.enabled = !isMuted;
  }

  /** Resolves when `onPiece` has got everything that was said before the call. */
  flush(): Promise<void> {
    return this.#ask("flush", "flushed");
  }

  /** Nothing is heard from the call on. */
  async close(): Promise<void> {
    this.#onPiece = () => undefined;
    stopTracks(this.stream);
    // In this order: of a context that is closed before its worklet is over Chromium keeps everything for good.
    this.#source.disconnect();
    await this.#ask("end", "over");
    this.node.port.onmessage = null;
    this.node.port.close();
    if (this.context.state !== "closed") await this.context.close();
  }

  #ask(question: "flush" | "end", wanted: Answer): Promise<void> {
    return new Promise((resolve) => {
      const done = (answer: Answer): void => {
        if (answer !== wanted) return;
        clearTimeout(timer);
        this.#answers.delete(done);
        resolve();
      };
      const timer = setTimeout(() => done(wanted), ANSWER_MS);
      this.#answers.add(done);
      this.node.port.postMessage(question);
    });
  }

  #listen({ onPiece, onLost }: MicrophoneEvents): void {
    this.#onPiece = onPiece;
    this.node.port.onmessage = ({ data }: MessageEvent<Piece | Answer>) => {
      if (typeof data === "string") this.#answers.forEach((answered) => answered(data));
      else this.#onPiece(data);
    };
    this.#source.connect(this.node);
    for (const track of this.stream.getAudioTracks()) track.onended = onLost;
  }
}

async function openStream({ deviceId, echoCancellation, noiseSuppression }: MicrophoneOptions): Promise<MediaStream> {
  // Browsers leave mediaDevices out where a page has no https and is not on this machine.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw new MicrophoneError({ kind: "insecure", detail: "" });
  const wanted = { echoCancellation, noiseSuppression, autoGainControl: noiseSuppression, channelCount: 1 };
  try {
    return await devices.getUserMedia({ audio: deviceId === "" ? wanted : { ...wanted, deviceId: { exact: deviceId } } });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    // The chosen device is not there today: any other is better than none.
    if (deviceId !== "" && (name === "OverconstrainedError" || name === "NotFoundError")) {
      return await openStream({ deviceId: "", echoCancellation, noiseSuppression });
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
