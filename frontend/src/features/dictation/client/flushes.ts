/** Flushes that wait: each for the audio before it to be sent, then for its answer. */

interface Waiting {
  id: string;
  /** How many frames come before it. */
  after: number;
  isAsked: boolean;
  resolve: () => void;
}

export class Flushes {
  #waiting: Waiting[] = [];
  #count = 0;

  /** Resolves when the server has told all finals of the first `after` frames, or the dictation is over. */
  add(after: number): Promise<void> {
    this.#count += 1;
    const id = `f${this.#count}`;
    return new Promise((resolve) => this.#waiting.push({ id, after, isAsked: false, resolve }));
  }

  /** The flush to send now that so many frames were sent; null where none is due. Counted as sent. */
  due(sent: number): string | null {
    const next = this.#waiting.find((flush) => !flush.isAsked && flush.after <= sent);
    if (next === undefined) return null;
    next.isAsked = true;
    return next.id;
  }

  answered(id: string | number | null): void {
    this.#waiting.filter((flush) => flush.id === id).forEach((flush) => flush.resolve());
    this.#waiting = this.#waiting.filter((flush) => flush.id !== id);
  }

  /** A new socket: what is not answered is asked again. To be asked twice does a server no harm. */
  ask(): void {
    this.#waiting.forEach((flush) => (flush.isAsked = false));
  }

  giveUp(): void {
    this.#waiting.forEach((flush) => flush.resolve());
    this.#waiting = [];
  }
}
