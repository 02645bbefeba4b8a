/** An open microphone: a media stream and the context that records it; closing releases both. */

import type { Failure, FailureKind } from "../client/failure";
import { mayBeAveraged, PlainMicrophone } from "./plain-microphone";
import type { AudioChunk } from "./recorder";
import { RecorderMissingError, RecordingContext } from "./recording-context";
import { type Sound, SoundWatch } from "./sound-watch";

export interface MicrophoneOptions {
  /** "" is the browser's choice. */
  deviceId: string;
  echoCancellation: boolean;
  noiseSuppression: boolean;
}

export interface MicrophoneEvents {
  onChunk: (chunk: AudioChunk) => void;
  /** What comes from the microphone, at each change: from the request for it until it is closed or lost. */
  onSound: (sound: Sound) => void;
  /** The device was unplugged, or the permission withdrawn. */
  onLost: (failure: Failure) => void;
}

export type OpenMicrophone = (
  options: MicrophoneOptions,
  events: MicrophoneEvents,
) => Promise<Pick<Microphone, "mute" | "flush" | "finish" | "hurry" | "close">>;

/** How long is recorded after Stop: people press it, or release the key, before their last sound is over. */
export const TAIL_MS = 300;

export class MicrophoneError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
    this.name = "MicrophoneError";
  }
}

export class Microphone {
  readonly #source: MediaStreamAudioSourceNode;
  #plain: PlainMicrophone | null = null;
  #isMuted = false;
  #isClosed = false;
  /** Whether the browser said so once it was open: some give a microphone without. */
  #wasPermitted = false;
  #watch: SoundWatch | null = null;
  #onChunk: MicrophoneEvents["onChunk"] = () => undefined;
  #endTail = (): void => undefined;

  private constructor(
    private readonly stream: MediaStream,
    private readonly recording: RecordingContext,
  ) {
    this.#source = recording.context.createMediaStreamSource(stream);
  }

  /**
   * Prepare to record, then open the microphone: so its first sample is recorded.
   *
   * @throws MicrophoneError with the kind of failure
   */
  static async open(options: MicrophoneOptions, events: MicrophoneEvents): Promise<Microphone> {
    // Browsers offer mediaDevices only to pages with https and to localhost.
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    if (devices === undefined) throw new MicrophoneError({ kind: "insecure", detail: "" });
    const recording = await RecordingContext.create().catch((error: unknown) =>
      Promise.reject(explainRecorderError(error)),
    );
    let stream: MediaStream | null = null;
    try {
      stream = await askForStream(devices, options, events);
      const microphone = new Microphone(stream, recording);
      microphone.#connect(events);
      const isProcessed = options.echoCancellation || options.noiseSuppression;
      if (isProcessed && mayBeAveraged(stream)) void microphone.#compare(devices);
      await recording.resume(); // some browsers start a context only once there is a microphone
      return microphone;
    } catch (error) {
      if (stream !== null) stopTracks(stream);
      void recording.close();
      throw error instanceof MicrophoneError ? error : explainRecorderError(error);
    }
  }

  /** A muted microphone records silence, so that the utterance ends. */
  mute(isMuted: boolean): void {
    this.#isMuted = isMuted;
    for (const track of this.stream.getAudioTracks()) track.enabled = !isMuted;
    this.#plain?.mute(isMuted);
    this.#watch?.mute(isMuted);
  }

  /** Resolves when `onChunk` has received everything that was recorded before the call. */
  flush(): Promise<void> {
    return this.recording.send("flush");
  }

  /** Record for a moment more; then as `flush`. A muted microphone has nothing more to give. */
  async finish(): Promise<void> {
    if (!this.#isMuted) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#endTail = resolve;
        timer = setTimeout(resolve, TAIL_MS);
      });
      clearTimeout(timer);
    }
    if (!this.#isClosed) await this.flush();
  }

  /** What `finish` waits for is not wanted any more. */
  hurry(): void {
    this.#endTail();
  }

  /** No chunk follows the call. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endTail();
    this.#onChunk = () => undefined;
    this.#watch?.dispose();
    this.#plain?.close();
    stopTracks(this.stream);
    this.#source.disconnect();
    await this.recording.close();
  }

  async #explainEnd(): Promise<Failure> {
    const isWithdrawn = this.#wasPermitted && (await readPermission()) !== "granted";
    return { kind: isWithdrawn ? "permission_withdrawn" : "device_lost", detail: "" };
  }

  /** Find out whether the processing cancels the voice; if it does, the plain sound is recorded. */
  async #compare(devices: MediaDevices): Promise<void> {
    const plain = await PlainMicrophone.open(devices, this.stream);
    if (this.#isClosed) return plain?.close();
    this.#plain = plain;
    plain?.mute(this.#isMuted);
    plain?.connect(this.recording);
    this.recording.onVerdict = (verdict) => verdict === "fine" && plain?.close();
  }

  #connect({ onChunk, onSound, onLost }: MicrophoneEvents): void {
    const source = { context: this.recording.context, tracks: this.stream.getAudioTracks() };
    const watch = new SoundWatch(source, {
      onSound,
      onEnded: () => void this.#explainEnd().then((failure) => this.#isClosed || onLost(failure)),
    });
    void readPermission().then((permission) => (this.#wasPermitted = permission === "granted"));
    this.#watch = watch;
    this.#onChunk = onChunk;
    this.recording.onChunk = (chunk) => {
      this.#onChunk(chunk);
      if (!this.#isClosed) watch.handleChunk(chunk);
    };
    this.#source.connect(this.recording.node);
  }
}

function explainRecorderError(error: unknown): MicrophoneError {
  if (error instanceof RecorderMissingError) return new MicrophoneError({ kind: error.kind, detail: "" });
  return new MicrophoneError({ kind: "unsupported", detail: readMessage(error) });
}

function readMessage(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.message : "";
}

/** Open the microphone, and tell meanwhile whether the browser asks its user for it. */
async function askForStream(
  devices: MediaDevices,
  options: MicrophoneOptions,
  { onSound }: MicrophoneEvents,
): Promise<MediaStream> {
  let isAnswered = false;
  void readPermission().then((permission) => {
    if (permission === "prompt" && !isAnswered) onSound("asked");
  });
  try {
    return await openStream(devices, options);
  } finally {
    isAnswered = true;
    onSound("opening");
  }
}

/** Null where the browser does not tell. */
async function readPermission(): Promise<PermissionState | null> {
  const permissions = navigator.permissions as Permissions | undefined;
  try {
    return (await permissions?.query({ name: "microphone" }))?.state ?? null;
  } catch {
    return null; // a browser that does not know this permission rejects
  }
}

async function openStream(devices: MediaDevices, options: MicrophoneOptions): Promise<MediaStream> {
  const { deviceId, echoCancellation, noiseSuppression } = options;
  const constraints = {
    echoCancellation,
    noiseSuppression,
    autoGainControl: noiseSuppression,
    // A browser that mixes two channels to one may cancel them: see channel-mixer.ts.
    channelCount: { ideal: 2 },
  };
  try {
    return await devices.getUserMedia({
      audio: deviceId === "" ? constraints : { ...constraints, deviceId: { exact: deviceId } },
    });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    // The chosen device is missing: take any other one.
    if (deviceId !== "" && (name === "OverconstrainedError" || name === "NotFoundError")) {
      return await openStream(devices, { ...options, deviceId: "" });
    }
    throw new MicrophoneError(await explainRefusal(error, name));
  }
}

async function explainRefusal(error: unknown, name: string): Promise<Failure> {
  const kind = FAILURE_BY_ERROR[name];
  if (kind === undefined) return { kind: "microphone_failed", detail: readMessage(error) };
  // What the user has permitted here is refused further down.
  const isPermitted = kind === "no_permission" && (await readPermission()) === "granted";
  return { kind: isPermitted ? "blocked_by_system" : kind, detail: "" };
}

const FAILURE_BY_ERROR: Record<string, FailureKind> = {
  NotAllowedError: "no_permission",
  SecurityError: "no_permission",
  NotFoundError: "no_device",
  NotReadableError: "device_busy",
};

function stopTracks(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
