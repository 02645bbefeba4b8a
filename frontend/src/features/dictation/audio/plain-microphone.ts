/** An open microphone once more, without the browser's processing: channel-watch.ts compares the two. */

import type { RecordingContext } from "./recording-context";

/** The input of the recording's node that takes the unprocessed sound. */
const PLAIN_INPUT = 1;

export class PlainMicrophone {
  #source: MediaStreamAudioSourceNode | null = null;

  private constructor(private readonly stream: MediaStream) {}

  /** Null where the browser refuses: then the processed sound is all there is. */
  static async open(devices: MediaDevices, processed: MediaStream): Promise<PlainMicrophone | null> {
    const { deviceId } = processed.getAudioTracks()[0]?.getSettings() ?? {};
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const device = deviceId ? { deviceId: { exact: deviceId } } : {};
    try {
      const audio = { ...plain, ...device, channelCount: { ideal: 2 } };
      return new PlainMicrophone(await devices.getUserMedia({ audio }));
    } catch (error) {
      if (error instanceof DOMException) return null;
      throw error;
    }
  }

  connect({ context, node }: RecordingContext): void {
    this.#source = context.createMediaStreamSource(this.stream);
    this.#source.connect(node, 0, PLAIN_INPUT);
  }

  mute(isMuted: boolean): void {
    for (const track of this.stream.getAudioTracks()) track.enabled = !isMuted;
  }

  close(): void {
    for (const track of this.stream.getTracks()) track.stop();
    this.#source?.disconnect();
  }
}

/**
 * Whether the browser may give the average of two channels where it processes the sound: Chromium on
 * computers does. It can open one device twice, which others cannot.
 */
export function mayBeAveraged(processed: MediaStream): boolean {
  const { userAgentData } = navigator as Navigator & { userAgentData?: { mobile: boolean } };
  if (userAgentData?.mobile !== false) return false;
  return processed.getAudioTracks().some((track) => (track.getCapabilities().channelCount?.max ?? 1) > 1);
}
