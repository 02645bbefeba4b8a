/** For tests: the storage and the locks of one browser, whose pages come and go. */
import type { SpeechPiece, SpeechRecord, SpeechStore } from "./speech-store";
import type { Locks } from "./unsent-speech";

export class FakeBrowser {
  readonly records = new Map<string, SpeechRecord>();
  readonly pieces: SpeechPiece[] = [];
  readonly locks = new Map<string, FakePage>();
  /** The error of each write. */
  writeError: DOMException | null = null;

  open(): FakePage {
    return new FakePage(this);
  }

  removePieces(id: string, dropped: readonly number[] | null): void {
    const isDropped = (one: SpeechPiece) =>
      one.record === id && (dropped === null || dropped.includes(one.first));
    const kept = this.pieces.filter((one) => !isDropped(one));
    this.pieces.splice(0, this.pieces.length, ...kept);
  }
}

/** One page: after its end nothing that it does reaches the browser, and its locks are free. */
export class FakePage {
  isGone = false;

  constructor(private readonly browser: FakeBrowser) {}

  end(): void {
    this.isGone = true;
    for (const [name, page] of this.browser.locks) if (page === this) this.browser.locks.delete(name);
  }

  readonly store: SpeechStore = {
    write: (record, added, dropped) => {
      if (this.isGone) return Promise.resolve();
      if (this.browser.writeError !== null) return Promise.reject(this.browser.writeError);
      this.browser.records.set(record.id, structuredClone(record));
      this.browser.removePieces(record.id, dropped);
      if (added !== null) this.browser.pieces.push(structuredClone(added));
      return Promise.resolve();
    },
    list: () => Promise.resolve([...this.browser.records.values()]),
    read: (id) => Promise.resolve(this.browser.pieces.filter(({ record }) => record === id)),
    remove: (id) => {
      if (!this.isGone) {
        this.browser.records.delete(id);
        this.browser.removePieces(id, null);
      }
      return Promise.resolve();
    },
  };

  readonly locks = {
    request: (name: string, ...rest: unknown[]) => {
      const work = rest.at(-1) as (lock: object | null) => Promise<void> | void;
      if (this.browser.locks.has(name)) return Promise.resolve(work(null));
      this.browser.locks.set(name, this);
      return Promise.resolve(work({ name })).finally(() => this.browser.locks.delete(name));
    },
    query: () => Promise.resolve({ held: [...this.browser.locks.keys()].map((name) => ({ name })) }),
  } as unknown as Locks;
}
