/** Deletions that can be undone: hidden at once, sent to the server when the time to undo is over. */

interface PendingDeletion {
  timer: ReturnType<typeof setTimeout>;
  onFailure: () => void;
}

/** @param isPageClosing the request must outlive the page */
export type Delete = (id: string, isPageClosing: boolean) => Promise<void>;

export class PendingDeletions {
  #hidden: ReadonlySet<string> = new Set();
  readonly #pending = new Map<string, PendingDeletion>();
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly remove: Delete,
    readonly undoMs = 7000,
  ) {}

  /** Ids not to show: pending or deleted. The same set object until it changes. */
  readonly hidden = (): ReadonlySet<string> => this.#hidden;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /**
   * Hide it now and delete it after `undoMs`. If the server refuses, it is shown again and `onFailure` is
   * called.
   */
  add(id: string, onFailure: () => void): void {
    if (this.#pending.has(id)) return;
    const timer = setTimeout(() => void this.#carryOut(id, false), this.undoMs);
    this.#pending.set(id, { timer, onFailure });
    this.#setShown(id, false);
  }

  /** Show it again; false where it is too late. */
  undo(id: string): boolean {
    const pending = this.#pending.get(id);
    if (pending === undefined) return false;
    clearTimeout(pending.timer);
    this.#pending.delete(id);
    this.#setShown(id, true);
    return true;
  }

  /** Carry out all pending deletions now: the page is closing, or its user logs out. */
  async flush(): Promise<void> {
    await Promise.all(
      [...this.#pending].map(([id, { timer }]) => {
        clearTimeout(timer);
        return this.#carryOut(id, true);
      }),
    );
  }

  async #carryOut(id: string, isPageClosing: boolean): Promise<void> {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    await this.remove(id, isPageClosing).catch(() => {
      this.#setShown(id, true);
      pending?.onFailure();
    });
  }

  #setShown(id: string, isShown: boolean): void {
    const hidden = new Set(this.#hidden);
    if (isShown) hidden.delete(id);
    else hidden.add(id);
    this.#hidden = hidden;
    this.#listeners.forEach((listener) => listener());
  }
}
