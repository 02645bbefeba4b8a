/** Keeps the audio of one dictation in the storage of the browser as long as its queue needs it. */
import type { AudioQueue } from "../client/audio-queue";
import type { SpeechPiece, SpeechRecord, SpeechStore } from "./speech-store";

/**
 * Where speech lies that the server does not have: in the browser's storage, which outlives the page; or in
 * the page alone, since the storage is full, is not there, or the dictation is to leave no trace.
 */
export type Keeping = "browser" | "full" | "page" | "private";

/** What a page that is gone takes with it at most: frames of 100 ms that are not written yet. */
const FRAMES_PER_PIECE = 5;

export class SpeechKeeper {
  #keeping: Keeping = "browser";
  #record: SpeechRecord;
  /** The pieces in the storage: their first frames, and the frames after them. */
  #pieces: { first: number; end: number }[] = [];
  #waiting: { first: number; endSamples: number[]; frames: ArrayBuffer[] } | null = null;
  #isOver = false;
  #written: Promise<void> = Promise.resolve();

  /**
   * @param pieces what is stored of the record already
   * @param release called once, when the record is removed or left behind: others may have it
   */
  constructor(
    private readonly store: SpeechStore,
    record: SpeechRecord,
    private readonly release: () => void,
    pieces: readonly SpeechPiece[] = [],
  ) {
    this.#record = record;
    this.#pieces = pieces.map(({ first, endSamples }) => ({ first, end: first + endSamples.length }));
  }

  get keeping(): Keeping {
    return this.#keeping;
  }

  /** Take the last frame of the queue. */
  add(data: ArrayBuffer, queue: AudioQueue): void {
    if (this.#isOver || this.#keeping !== "browser") return;
    this.#waiting ??= { first: queue.pushed - 1, endSamples: [], frames: [] };
    this.#waiting.endSamples.push(queue.samples);
    this.#waiting.frames.push(data);
    this.#record = { ...this.#record, samples: queue.samples };
    if (this.#waiting.frames.length >= FRAMES_PER_PIECE) this.save(queue);
  }

  /** Bring the storage up to date with the queue, and with what is known about the record. */
  save(queue: AudioQueue, changes: Partial<SpeechRecord> = {}): void {
    this.#record = { ...this.#record, marks: queue.marks, ...changes };
    if (this.#isOver || this.#keeping === "page" || this.#keeping === "private") return;
    const added = this.#takePiece(queue.forgotten);
    const dropped = this.#pieces.filter(({ end }) => end <= queue.forgotten).map(({ first }) => first);
    this.#pieces = this.#pieces.filter(({ end }) => end > queue.forgotten);
    if (added !== null) this.#pieces.push({ first: added.first, end: added.first + added.endSamples.length });
    else if (this.#pieces.length + dropped.length === 0) return; // nothing was recorded yet
    this.#written = this.store.write(this.#record, added, dropped).catch((error: unknown) => {
      const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
      this.#keeping = isFull ? "full" : "page";
    });
  }

  /** Nothing of it is needed any more: all has its text, or was discarded. */
  async remove(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#written;
    await this.store.remove(this.#record.id).catch(() => undefined); // it is offered again
    this.release();
  }

  /** The page goes on without it: what is stored is offered again. */
  async leave(queue: AudioQueue): Promise<void> {
    if (this.#isOver) return;
    this.save(queue);
    this.#isOver = true;
    await this.#written;
    this.release();
  }

  /** The frames that wait as one piece; null where the queue needs none of them. */
  #takePiece(forgotten: number): SpeechPiece | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null || waiting.first + waiting.frames.length <= forgotten) return null;
    const { first, endSamples, frames } = waiting;
    return { record: this.#record.id, first, endSamples, pcm: joinBuffers(frames) };
  }
}

function joinBuffers(parts: readonly ArrayBuffer[]): ArrayBuffer {
  const joined = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(new Uint8Array(part), at);
    at += part.byteLength;
  }
  return joined.buffer;
}
