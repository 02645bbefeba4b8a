/** The audio of one microphone on its way to the server: numbered, kept as long as it may be needed. Pure. */

/** 16 kHz PCM16 mono. */
export const SAMPLE_RATE_HZ = 16_000;
const SAMPLES_PER_MS = SAMPLE_RATE_HZ / 1000;
/** How much audio may wait for a server that is away: an hour. */
export const MAX_KEPT_MS = 3_600_000;
/**
 * How much acknowledged audio without a final is kept: an engine is behind by 120 s at most, and 28 s are
 * open.
 */
const MAX_UNSETTLED_SAMPLES = 150 * SAMPLE_RATE_HZ;
/** How much may be sent that is not acknowledged: the server acknowledges once a second. */
const MAX_UNDERWAY_SAMPLES = 30 * SAMPLE_RATE_HZ;

export interface Frame {
  data: ArrayBuffer;
  /** The number of samples up to its end, from the first of the microphone. */
  endSample: number;
}

/** How the frames stand to the dictations of the server: what a page needs that goes on with them. */
export interface QueueMarks {
  /** How many frames come before the first of this dictation, and the sample with which that one begins. */
  origin: number;
  firstSample: number;
  /** The sample from which the times of this dictation count. */
  originSample: number;
  /** The same of the first one, which those after it continue: of the dictation as the server stores it. */
  zeroSample: number;
  /** The audio before it has become final. */
  settledSample: number;
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
  #samples = 0;
  #pushedAtMs = 0;
  #marks: QueueMarks = {
    origin: 0,
    firstSample: 0,
    originSample: 0,
    zeroSample: 0,
    settledSample: 0,
  };

  /** The queue of a page that is gone: its frames that were kept, of which `forgotten` came before. */
  static restore(frames: readonly Frame[], forgotten: number, marks: QueueMarks, nowMs: number): AudioQueue {
    const queue = new AudioQueue();
    queue.#frames = [...frames];
    queue.#forgotten = queue.#sent = queue.#acknowledged = forgotten;
    queue.#marks = marks;
    queue.#samples = frames.at(-1)?.endSample ?? marks.settledSample;
    queue.#keptBytes = frames.reduce((sum, { data }) => sum + data.byteLength, 0);
    queue.#pushedAtMs = nowMs;
    queue.#cut(marks.origin - forgotten, marks.firstSample);
    return queue;
  }

  get marks(): QueueMarks {
    return this.#marks;
  }

  /** How many frames came from the microphone. */
  get pushed(): number {
    return this.#forgotten + this.#frames.length;
  }

  get forgotten(): number {
    return this.#forgotten;
  }

  get sent(): number {
    return this.#sent;
  }

  get samples(): number {
    return this.#samples;
  }

  get isFull(): boolean {
    return this.#keptBytes >= MAX_KEPT_MS * SAMPLES_PER_MS * 2;
  }

  /** How much audio the server has not acknowledged (ms). */
  get waitingMs(): number {
    return (this.#samples - this.#endOf(this.#acknowledged)) / SAMPLES_PER_MS;
  }

  /** Whether the server should acknowledge first what was sent. */
  get isAhead(): boolean {
    return this.#endOf(this.#sent) - this.#endOf(this.#acknowledged) >= MAX_UNDERWAY_SAMPLES;
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
    const count = Math.min(this.#marks.origin + seq, this.pushed);
    this.#acknowledged = Math.max(this.#acknowledged, count);
    this.#forget();
  }

  /** All audio of the dictation up to this time has become final, or has nothing to say. */
  settle(endMs: number): void {
    this.settleUntil(this.sampleAt(endMs));
  }

  /** The same for a sample of the microphone. */
  settleUntil(sample: number): void {
    const settledSample = Math.max(this.#marks.settledSample, Math.min(sample, this.#samples));
    this.#marks = { ...this.#marks, settledSample };
    this.#forget();
  }

  /** The same dictation continues with this frame number. */
  resume(nextSeq: number): void {
    this.acknowledge(nextSeq - 1);
    this.#sent = Math.max(this.#forgotten, this.#marks.origin + nextSeq - 1);
  }

  /** A new dictation starts with the audio that has no final. */
  restart(): void {
    const next = this.#frames.findIndex((frame) => frame.endSample > this.#marks.settledSample);
    const origin = next < 0 ? this.pushed : this.#forgotten + next;
    this.#acknowledged = this.#sent = origin;
    const firstSample = this.#endOf(origin);
    this.#marks = { ...this.#marks, origin, firstSample, originSample: firstSample };
    this.#forget();
  }

  /** The server has accepted the dictation that was started. */
  confirm(): void {
    this.#marks = { ...this.#marks, zeroSample: this.#marks.originSample };
  }

  /**
   * The server goes on with a dictation that broke off: its times begin at `baseMs` of the stored one, and it
   * has `hadMs` of audio from there on.
   */
  goOn(baseMs: number, hadMs: number): void {
    const { zeroSample } = this.#marks;
    const originSample = zeroSample + baseMs * SAMPLES_PER_MS;
    const hadSample = Math.min(originSample + hadMs * SAMPLES_PER_MS, this.#samples);
    const next = this.#frames.findIndex((frame) => frame.endSample > hadSample);
    const origin = next < 0 ? this.pushed : this.#forgotten + next;
    if (next >= 0) this.#cut(next, hadSample);
    this.#acknowledged = this.#sent = origin;
    this.#marks = { ...this.#marks, origin, firstSample: this.#endOf(origin), originSample };
    this.settle(0);
  }

  /** Up to where in the stored dictation all finals have come. */
  get toldMs(): number {
    const { settledSample, zeroSample } = this.#marks;
    return Math.max(0, Math.round((settledSample - zeroSample) / SAMPLES_PER_MS));
  }

  /** The sample of the microphone at a time of the dictation. */
  sampleAt(ms: number): number {
    return this.#marks.originSample + ms * SAMPLES_PER_MS;
  }

  /** When a moment of the dictation was spoken, by the clock of `push`. */
  spokenAtMs(ms: number): number {
    return this.#pushedAtMs - (this.#samples - this.sampleAt(ms)) / SAMPLES_PER_MS;
  }

  /** The sample after the first `count` frames, or, where those are not kept, before the first that is. */
  #endOf(count: number): number {
    const before = this.#frames[Math.min(count, this.pushed) - this.#forgotten - 1];
    if (before !== undefined) return before.endSample;
    const first = this.#frames[0];
    return first === undefined ? this.#samples : first.endSample - first.data.byteLength / 2;
  }

  /** Leave out what a frame has before this sample. */
  #cut(index: number, sample: number): void {
    const frame = this.#frames[index];
    if (frame === undefined) return;
    const left = Math.min(2 * Math.max(0, frame.endSample - sample), frame.data.byteLength);
    this.#keptBytes -= frame.data.byteLength - left;
    this.#frames[index] = { ...frame, data: frame.data.slice(frame.data.byteLength - left) };
  }

  #forget(): void {
    const had = this.#endOf(this.#acknowledged);
    const needed = Math.max(this.#marks.settledSample, had - MAX_UNSETTLED_SAMPLES);
    let count = 0;
    for (const frame of this.#frames) {
      if (this.#forgotten + count >= this.#acknowledged || frame.endSample > needed) break;
      this.#keptBytes -= frame.data.byteLength;
      count += 1;
    }
    if (count === 0) return;
    this.#frames.splice(0, count);
    this.#forgotten += count;
  }
}
