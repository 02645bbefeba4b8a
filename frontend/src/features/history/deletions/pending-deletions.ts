/** Deletions that can still be undone: hidden at once, told to the server only when the time for regret is over. */

interface Waiting {
  timer: ReturnType<typeof setTimeout>;
  failed: () => void;
}

/** `atOnce`: the page is about to go, so the request must outlive it. */
export type Delete = (id: string, atOnce: boolean) => Promise<void>;

export class PendingDeletions {
  #hidden: ReadonlySet<string> = new Set();
  readonly #waiting = new Map<string, Waiting>();
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly remove: Delete,
    readonly undoMs = 7000,
  ) {}

  /** Ids not to show: waiting for their end, or deleted. The same set until it changes. */
  readonly hidden = (): ReadonlySet<string> => this.#hidden;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Hide it now and delete it soon; `failed` is called, and it is shown again, if the server does not. */
  add(id: string, failed: () => void): void {
    if (this.#waiting.has(id)) return;
    const timer = setTimeout(() => void this.#carryOut(id, false), this.undoMs);
    this.#waiting.set(id, { timer, failed });
    this.#show(id, false);
  }

  undo(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(id);
    this.#show(id, true);
  }

  /** The page goes, or its user: nobody can undo any more. */
  async flush(): Promise<void> {
    await Promise.all(
      [...this.#waiting].map(([id, { timer }]) => {
        clearTimeout(timer);
        return this.#carryOut(id, true);
      }),
    );
  }

  async #carryOut(id: string, atOnce: boolean): Promise<void> {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    await this.remove(id, atOnce).catch(() => {
      this.#show(id, true);
      waiting?.failed();
    });
  }

  #show(id: string, shown: boolean): void {
    const hidden = new Set(this.#hidden);
    if (shown) hidden.delete(id);
    else hidden.add(id);
    this.#hidden = hidden;
    this.#listeners.forEach((listener) => listener());
  }
}
