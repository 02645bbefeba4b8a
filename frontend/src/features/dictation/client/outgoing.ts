/** The audio of one microphone on its way out: numbered, kept until no server can need it again. */

/** 16 kHz PCM16 mono. */
export const SAMPLE_RATE_HZ = 16_000;
const SAMPLES_PER_MS = SAMPLE_RATE_HZ / 1000;
/** What may wait: a little more than two minutes. */
const KEPT_BYTES = 4 << 20;
/** How much that a server has, but nothing final has come of, is kept for another one: an utterance has 28 s at most. */
const UNSETTLED_SAMPLES = 30 * SAMPLE_RATE_HZ;

interface Frame {
  data: ArrayBuffer;
  /** Its last sample and one, from the first of the microphone. */
  endSample: number;
}

/**
 * Frames in the order of the microphone. A dictation numbers its own 1, 2, 3 …; one that is begun anew begins where
 * nothing final has come of the audio.
 */
export class Outgoing {
  #frames: Frame[] = [];
  #keptBytes = 0;
  /** Number, from the microphone's first, of the frame before those kept. */
  #before = 0;
  #sent = 0;
  #arrived = 0;
  /** The number before the first frame of the dictation, and the sample that it begins with. */
  #origin = 0;
  #originSample = 0;
  #samples = 0;
  #settledSample = 0;
  #pushedAtMs = 0;

  /** How many frames came from the microphone, and how many of them were sent. */
  get pushed(): number {
    return this.#before + this.#frames.length;
  }

  get sent(): number {
    return this.#sent;
  }

  get isFull(): boolean {
    return this.#keptBytes > KEPT_BYTES;
  }

  push(data: ArrayBuffer, nowMs: number): void {
    this.#samples += data.byteLength / 2;
    this.#frames.push({ data, endSample: this.#samples });
    this.#keptBytes += data.byteLength;
    this.#pushedAtMs = nowMs;
    this.#forget();
  }

  /** The next frame to send, counted as sent; undefined where all are. */
  next(): ArrayBuffer | undefined {
    const frame = this.#frames[this.#sent - this.#before];
    if (frame !== undefined) this.#sent += 1;
    return frame?.data;
  }

  /** The server has all frames of the dictation up to this number. */
  arrived(seq: number): void {
    this.#arrived = Math.max(this.#arrived, Math.min(this.#origin + seq, this.pushed));
    this.#forget();
  }

  /** All audio of the dictation up to here has come to its final. */
  settled(endMs: number): void {
    const sample = this.#originSample + endMs * SAMPLES_PER_MS;
    this.#settledSample = Math.max(this.#settledSample, Math.min(sample, this.#samples));
    this.#forget();
  }

  /** The same dictation goes on with this number. */
  resume(nextSeq: number): void {
    this.arrived(nextSeq - 1);
    this.#sent = Math.max(this.#before, this.#origin + nextSeq - 1);
  }

  /** A new dictation begins, with the audio that nothing final has come of. */
  restart(): void {
    this.#arrived = this.#origin =
      this.#before + this.#frames.findIndex((frame) => frame.endSample > this.#settledSample);
    if (this.#origin < this.#before) this.#arrived = this.#origin = this.pushed;
    const first = this.#frames[this.#origin - this.#before];
    this.#originSample = first === undefined ? this.#samples : first.endSample - first.data.byteLength / 2;
    this.#sent = this.#origin;
    this.#forget();
  }

  /** When a moment of the dictation was spoken, on the clock of `push`. */
  spokenAtMs(ms: number): number {
    const sample = this.#originSample + ms * SAMPLES_PER_MS;
    return this.#pushedAtMs - (this.#samples - sample) / SAMPLES_PER_MS;
  }

  #forget(): void {
    const needed = Math.max(this.#settledSample, this.#samples - UNSETTLED_SAMPLES);
    let count = 0;
    for (const frame of this.#frames) {
      if (this.#before + count >= this.#arrived || frame.endSample > needed) break;
      this.#keptBytes -= frame.data.byteLength;
      count += 1;
    }
    this.#frames.splice(0, count);
    this.#before += count;
  }
}
