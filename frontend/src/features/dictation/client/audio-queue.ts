/** The audio of one microphone on its way to the server: numbered, kept as long as it may be needed. Pure. */

/** 16 kHz PCM16 mono. */
export const SAMPLE_RATE_HZ = 16_000;
const SAMPLES_PER_MS = SAMPLE_RATE_HZ / 1000;
/** How much audio may wait: a little more than two minutes. */
const MAX_KEPT_BYTES = 4 << 20;
/** How much acknowledged audio without a final is kept: an utterance has at most 28 s. */
const MAX_UNSETTLED_SAMPLES = 30 * SAMPLE_RATE_HZ;

interface Frame {
  data: ArrayBuffer;
  /** The number of samples up to its end, from the first of the microphone. */
  endSample: number;
}

/**
 * Frames in the order of the microphone. Each dictation numbers its frames 1, 2, 3 …; a dictation that is
 * started again begins with the audio that has no final yet.
 */
export class AudioQueue {
  #frames: Frame[] = [];
  #keptBytes = 0;
  /** How many frames are not kept any more. */
  #forgotten = 0;
  #sent = 0;
  #acknowledged = 0;
  /** How many frames come before the first of this dictation, and the sample that it starts with. */
  #origin = 0;
  #originSample = 0;
  /** The sample that the last dictation started with that the server has accepted. */
  #readySample = 0;
  #samples = 0;
  #settledSample = 0;
  #pushedAtMs = 0;

  /** How many frames came from the microphone. */
  get pushed(): number {
    return this.#forgotten + this.#frames.length;
  }

  get sent(): number {
    return this.#sent;
  }

  get isFull(): boolean {
    return this.#keptBytes > MAX_KEPT_BYTES;
  }

  push(data: ArrayBuffer, nowMs: number): void {
    this.#samples += data.byteLength / 2;
    this.#frames.push({ data, endSample: this.#samples });
    this.#keptBytes += data.byteLength;
    this.#pushedAtMs = nowMs;
    this.#forget();
  }

  /** The next frame to send, which counts as sent; undefined where there is none. */
  takeNext(): ArrayBuffer | undefined {
    const frame = this.#frames[this.#sent - this.#forgotten];
    if (frame !== undefined) this.#sent += 1;
    return frame?.data;
  }

  /** The server has received all frames of the dictation up to this number. */
  acknowledge(seq: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, Math.min(this.#origin + seq, this.pushed));
    this.#forget();
  }

  /** All audio of the dictation up to this time has become final. */
  settle(endMs: number): void {
    const sample = this.#originSample + endMs * SAMPLES_PER_MS;
    this.#settledSample = Math.max(this.#settledSample, Math.min(sample, this.#samples));
    this.#forget();
  }

  /** The same dictation continues with this frame number. */
  resume(nextSeq: number): void {
    this.acknowledge(nextSeq - 1);
    this.#sent = Math.max(this.#forgotten, this.#origin + nextSeq - 1);
  }

  /** A new dictation starts with the audio that has no final. */
  restart(): void {
    this.#acknowledged = this.#origin =
      this.#forgotten + this.#frames.findIndex((frame) => frame.endSample > this.#settledSample);
    if (this.#origin < this.#forgotten) this.#acknowledged = this.#origin = this.pushed;
    const first = this.#frames[this.#origin - this.#forgotten];
    this.#originSample = first === undefined ? this.#samples : first.endSample - first.data.byteLength / 2;
    this.#sent = this.#origin;
    this.#forget();
  }

  /** The server has accepted the dictation that was started. */
  confirm(): void {
    this.#readySample = this.#originSample;
  }

  /**
   * The server goes on with a dictation that broke off: it has the audio up to `safeMs`, and its times
   * begin at `fromMs`; both count from the start of that dictation.
   */
  goOn(safeMs: number, fromMs: number): void {
    const safeSample = Math.min(this.#readySample + safeMs * SAMPLES_PER_MS, this.#samples);
    const next = this.#frames.findIndex((frame) => frame.endSample > safeSample);
    this.#sent = next < 0 ? this.pushed : this.#forgotten + next;
    const frame = this.#frames[next];
    if (frame !== undefined) {
      const left = Math.min(2 * (frame.endSample - safeSample), frame.data.byteLength);
      this.#keptBytes -= frame.data.byteLength - left;
      this.#frames[next] = { ...frame, data: frame.data.slice(frame.data.byteLength - left) };
    }
    this.#acknowledged = this.#origin = this.#sent;
    this.#originSample = this.#readySample + fromMs * SAMPLES_PER_MS;
    this.confirm();
    this.settle(0);
  }

  /** When a moment of the dictation was spoken, by the clock of `push`. */
  spokenAtMs(ms: number): number {
    const sample = this.#originSample + ms * SAMPLES_PER_MS;
    return this.#pushedAtMs - (this.#samples - sample) / SAMPLES_PER_MS;
  }

  #forget(): void {
    const needed = Math.max(this.#settledSample, this.#samples - MAX_UNSETTLED_SAMPLES);
    let count = 0;
    for (const frame of this.#frames) {
      if (this.#forgotten + count >= this.#acknowledged || frame.endSample > needed) break;
      this.#keptBytes -= frame.data.byteLength;
      count += 1;
    }
    this.#frames.splice(0, count);
    this.#forgotten += count;
  }
}
