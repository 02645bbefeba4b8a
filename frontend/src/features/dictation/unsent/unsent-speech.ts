/** The recorded speech of this browser that has no text: who may send it, and which tab does. */
import { createUuid } from "@/shared/lib/uuid";

import { type Frame, MAX_KEPT_MS, type QueueMarks, SAMPLE_RATE_HZ } from "../client/audio-queue";
import type { StartConfig } from "../client/messages";
import { SpeechKeeper } from "./speech-keeper";
import {
  BrowserSpeechStore,
  type SpeechPiece,
  type SpeechRecord,
  type SpeechStore,
  type SpokenPlace,
} from "./speech-store";

/** What a page that is gone left behind, ready to be sent. */
export interface LeftSpeech {
  record: SpeechRecord;
  frames: Frame[];
  /** How many frames came before those. */
  forgotten: number;
  keeper: SpeechKeeper;
}

export interface UnsentItem {
  id: string;
  startedAtMs: number;
  seconds: number;
}

/** The part of the browser's Web Locks that is needed: a tab that dies gives its locks back. */
export type Locks = Pick<LockManager, "request" | "query">;

/** Sent to the other tabs. `cleared`: this user logs out. */
interface News {
  cleared: string | null;
}

const LOCK = "prompter.speech.";
const CHANNEL = "prompter.speech";
/** What is shorter holds no word. */
const LEAST_S = 0.3;
/**
 * The same where the server was there: it had all but the last moment, and makes text of that itself, which
 * is among the dictations.
 */
const LEAST_HEARD_S = 1.5;
const NEW_MARKS: QueueMarks = {
  origin: 0,
  firstSample: 0,
  originSample: 0,
  zeroSample: 0,
  settledSample: 0,
};

export class UnsentSpeech {
  #items: readonly UnsentItem[] = [];
  /** How much of the hour is taken by what was left behind. */
  #takenMs = 0;
  /** What is recorded or sent in this tab. */
  readonly #live = new Set<SpeechKeeper>();
  readonly #listeners = new Set<() => void>();
  readonly #channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);

  /**
   * @param owner the id of the user of this page, read at each use
   * @param locks null where the browser has none: then nothing is stored, as two tabs would send it twice
   */
  constructor(
    private readonly owner: () => string,
    private readonly store: SpeechStore = new BrowserSpeechStore(),
    private readonly locks: Locks | null = findLocks(),
  ) {
    this.#channel?.addEventListener("message", ({ data }: MessageEvent<News>) => {
      if (data.cleared !== this.owner()) void this.refresh();
      else for (const keeper of this.#live) void keeper.remove();
    });
  }

  /** What this user may send here, the oldest first; a new list at each change. */
  readonly get = (): readonly UnsentItem[] => this.#items;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Look again what there is. */
  async refresh(): Promise<void> {
    const found = await this.#listOwn();
    const taken = await this.#listTaken().catch(() => null);
    if (taken === null) return; // the page is about to go
    const left = found.filter(({ id }) => !taken.has(LOCK + id));
    for (const { id } of left.filter((record) => !isWorthOffering(record)))
      await this.store.remove(id).catch(() => undefined); // looked at again next time
    this.#items = left
      .filter(isWorthOffering)
      .sort((one, other) => one.startedAtMs - other.startedAtMs)
      .map((record) => ({
        id: record.id,
        startedAtMs: record.startedAtMs,
        seconds: Math.round(getSeconds(record)),
      }));
    this.#takenMs = this.#items.reduce((sum, { seconds }) => sum + 1000 * seconds, 0);
    this.#listeners.forEach((listener) => listener());
  }

  /** Keep a dictation that begins. Null where it can be kept in the page alone. */
  keep(config: StartConfig, place: SpokenPlace): SpeechKeeper | null {
    if (this.locks === null || this.#takenMs >= MAX_KEPT_MS) return null;
    const id = createUuid();
    const record: SpeechRecord = {
      id,
      owner: this.owner(),
      startedAtMs: Date.now(),
      config,
      place,
      dictationId: null,
      marks: NEW_MARKS,
      heardSample: 0,
      isAway: false,
      samples: 0,
    };
    let release: () => void = () => undefined;
    this.locks
      .request(LOCK + id, () => new Promise<void>((resolve) => (release = resolve)))
      .catch(() => undefined); // the page goes while it holds the lock
    return this.#hold(record, () => release());
  }

  #hold(record: SpeechRecord, release: () => void, pieces: readonly SpeechPiece[] = []): SpeechKeeper {
    const keeper = new SpeechKeeper(this.store, record, () => this.#giveBack(release, keeper), pieces);
    this.#live.add(keeper);
    return keeper;
  }

  /** Take what was left behind, to send it; null where another tab has it, or it is gone. */
  async claim(id: string): Promise<LeftSpeech | null> {
    const release = await this.#lock(id);
    if (release === null) return null;
    const record = (await this.#listOwn()).find((one) => one.id === id);
    const pieces = record === undefined ? [] : await this.store.read(id).catch(() => []);
    if (record === undefined || pieces.length === 0) {
      this.#giveBack(release);
      return null;
    }
    void this.refresh();
    const keeper = this.#hold(record, release, pieces);
    return { record, keeper, frames: pieces.flatMap(splitPiece), forgotten: pieces[0]?.first ?? 0 };
  }

  async discard(id: string): Promise<void> {
    const release = await this.#lock(id);
    if (release === null) return void this.refresh();
    await this.store.remove(id).catch(() => undefined); // what cannot be deleted is offered again
    this.#giveBack(release);
  }

  /** The audio that has no text: PCM16 at 16 kHz. */
  async listen(id: string): Promise<Int16Array[]> {
    const record = (await this.#listOwn()).find((one) => one.id === id);
    if (record === undefined) return [];
    const pieces = await this.store.read(id).catch(() => []);
    const from = record.marks.settledSample;
    return pieces
      .flatMap(splitPiece)
      .filter(({ endSample }) => endSample > from)
      .map(({ data }) => new Int16Array(data));
  }

  /** Delete all of this user's: they log out. */
  async clear(): Promise<void> {
    this.#channel?.postMessage({ cleared: this.owner() } satisfies News);
    await Promise.all([...this.#live].map((keeper) => keeper.remove()));
    const all = await this.#listOwn();
    // What cannot be deleted is offered again.
    await Promise.all(all.map(({ id }) => this.store.remove(id).catch(() => undefined)));
    void this.refresh();
  }

  async #listOwn(): Promise<SpeechRecord[]> {
    const owner = this.owner();
    const all = await this.store.list().catch(() => []); // a storage that is forbidden holds nothing
    return all.filter((record) => record.owner === owner);
  }

  async #listTaken(): Promise<ReadonlySet<string | undefined>> {
    return new Set((await this.locks?.query())?.held?.map(({ name }) => name));
  }

  /** Resolves to the function that gives the lock back; null where another tab holds it. */
  async #lock(id: string): Promise<(() => void) | null> {
    const { locks } = this;
    if (locks === null) return null;
    return await new Promise((resolve) => {
      locks
        .request(LOCK + id, { ifAvailable: true }, async (lock) => {
          if (lock === null) return resolve(null);
          await new Promise<void>((release) => resolve(release));
        })
        .catch(() => resolve(null)); // the page goes
    });
  }

  #giveBack(release: () => void, keeper?: SpeechKeeper): void {
    if (keeper !== undefined) this.#live.delete(keeper);
    release();
    // The lock is free a moment after its promise is.
    setTimeout(() => this.#tell(), 0);
  }

  #tell(): void {
    this.#channel?.postMessage({ cleared: null } satisfies News);
    void this.refresh();
  }
}

/** Browsers have locks on https pages and on localhost, as they have microphones. */
function findLocks(): Locks | null {
  const { locks } = navigator as Partial<Navigator>;
  return locks ?? null;
}

function getSeconds({ samples, marks }: SpeechRecord): number {
  return (samples - marks.settledSample) / SAMPLE_RATE_HZ;
}

function isWorthOffering(record: SpeechRecord): boolean {
  const unheard = (record.samples - record.heardSample) / SAMPLE_RATE_HZ;
  const least = record.dictationId === null || record.isAway ? LEAST_S : LEAST_HEARD_S;
  return getSeconds(record) >= least && unheard >= least;
}

function splitPiece({ endSamples, pcm }: SpeechPiece): Frame[] {
  const last = endSamples.at(-1) ?? 0;
  const start = last - pcm.byteLength / 2;
  return endSamples.map((endSample, index) => {
    const from = index === 0 ? start : (endSamples[index - 1] ?? start);
    return { endSample, data: pcm.slice(2 * (from - start), 2 * (endSample - start)) };
  });
}
