/**
 * Recorded speech in the storage of the browser, until the server has made text of it.
 *
 * IndexedDB, and no files (OPFS): only workers can write a file in place there, and Firefox has none in
 * private windows. A transaction that is done survives the page and the browser; it is not forced to the
 * disk, so that a power cut may take the last seconds.
 */
import type { QueueMarks } from "../client/audio-queue";
import type { StartConfig } from "../client/messages";

/** Where in the page something was spoken. */
export interface SpokenPlace {
  /** The conversation, or `NEW`. */
  draft: string;
  /** The caret, and the end of the text before it. */
  at: number;
  before: string;
}

/** What is known about one recording, beside its audio. */
export interface SpeechRecord {
  id: string;
  /** The id of the user who spoke. */
  owner: string;
  /** When it began (ms since 1970). */
  startedAtMs: number;
  config: StartConfig;
  place: SpokenPlace;
  /** The dictation on the server; null where none has begun, or none is stored. */
  dictationId: string | null;
  marks: QueueMarks;
  /** The server had the audio before this sample, and heard no speech in it that has no final. */
  heardSample: number;
  /** Whether the server was away. */
  isAway: boolean;
  /** All that was recorded. */
  samples: number;
}

/** Some frames in a row. */
export interface SpeechPiece {
  record: string;
  /** The number of its first frame. */
  first: number;
  /** Where each of its frames ends. */
  endSamples: readonly number[];
  pcm: ArrayBuffer;
}

export interface SpeechStore {
  /** Keep a record with a further piece, and drop pieces by their numbers: all, or nothing. */
  write: (record: SpeechRecord, added: SpeechPiece | null, dropped: readonly number[]) => Promise<void>;
  list: () => Promise<SpeechRecord[]>;
  /** The pieces of a record, in order. */
  read: (id: string) => Promise<SpeechPiece[]>;
  remove: (id: string) => Promise<void>;
}

const NAME = "prompter.speech";
const RECORDS = "records";
const PIECES = "pieces";

export class BrowserSpeechStore implements SpeechStore {
  #opened: Promise<IDBDatabase> | null = null;

  async write(record: SpeechRecord, added: SpeechPiece | null, dropped: readonly number[]): Promise<void> {
    await this.#change((records, pieces) => {
      records.put(record);
      if (added !== null) pieces.put(added);
      for (const first of dropped) pieces.delete([record.id, first]);
    });
  }

  async list(): Promise<SpeechRecord[]> {
    return await this.#ask(RECORDS, (records) => records.getAll() as IDBRequest<SpeechRecord[]>);
  }

  async read(id: string): Promise<SpeechPiece[]> {
    return await this.#ask(PIECES, (pieces) => pieces.getAll(rangeOf(id)) as IDBRequest<SpeechPiece[]>);
  }

  async remove(id: string): Promise<void> {
    await this.#change((records, pieces) => {
      records.delete(id);
      pieces.delete(rangeOf(id));
    });
  }

  async #change(work: (records: IDBObjectStore, pieces: IDBObjectStore) => void): Promise<void> {
    const database = await this.#open();
    const transaction = database.transaction([RECORDS, PIECES], "readwrite", { durability: "relaxed" });
    work(transaction.objectStore(RECORDS), transaction.objectStore(PIECES));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new DOMException("", "AbortError"));
    });
  }

  async #ask<T>(name: string, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const database = await this.#open();
    return await answerOf(work(database.transaction(name).objectStore(name)));
  }

  #open(): Promise<IDBDatabase> {
    this.#opened ??= openDatabase().catch((error: unknown) => {
      this.#opened = null;
      throw error;
    });
    return this.#opened;
  }
}

async function openDatabase(): Promise<IDBDatabase> {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore(RECORDS, { keyPath: "id" });
    request.result.createObjectStore(PIECES, { keyPath: ["record", "first"] });
  };
  const database = await answerOf(request);
  database.onversionchange = () => database.close();
  return database;
}

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new DOMException("", "UnknownError"));
  });
}

/** All numbers of one record: arrays sort behind numbers. */
function rangeOf(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id], [id, []]);
}
