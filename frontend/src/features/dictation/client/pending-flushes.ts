/** Requests for finals (`flush`) that wait: first for their audio to be sent, then for the answer. */

interface PendingFlush {
  id: string;
  /** The number of frames that are sent before it. */
  afterFrames: number;
  isSent: boolean;
  resolve: () => void;
}

export class PendingFlushes {
  #pending: PendingFlush[] = [];
  #count = 0;

  /**
   * Resolves when the server has sent all finals of the first `afterFrames` frames, or the dictation is over.
   */
  add(afterFrames: number): Promise<void> {
    this.#count += 1;
    const id = `f${this.#count}`;
    return new Promise((resolve) => this.#pending.push({ id, afterFrames, isSent: false, resolve }));
  }

  /** The id of the flush to send after `sentFrames` frames, marked as sent; null where there is none. */
  takeNext(sentFrames: number): string | null {
    const next = this.#pending.find((flush) => !flush.isSent && flush.afterFrames <= sentFrames);
    if (next === undefined) return null;
    next.isSent = true;
    return next.id;
  }

  handleAnswer(id: string | number | null): void {
    this.#pending.filter((flush) => flush.id === id).forEach((flush) => flush.resolve());
    this.#pending = this.#pending.filter((flush) => flush.id !== id);
  }

  /** Send all unanswered flushes again on a new socket. A server may get the same flush twice. */
  resend(): void {
    this.#pending.forEach((flush) => (flush.isSent = false));
  }

  resolveAll(): void {
    this.#pending.forEach((flush) => flush.resolve());
    this.#pending = [];
  }
}
