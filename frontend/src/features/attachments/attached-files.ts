/** The files of all messages that are being written: sent, followed on the server, kept over a reload. */
import { type Attachment, isAttachment, type MessageFiles } from "@/shared/api/attachments";
import { ApiError } from "@/shared/api/client";
import type { TabTexts } from "@/shared/lib/tab-texts";
import { createUuid } from "@/shared/lib/uuid";
import { waitUntilOnline } from "@/shared/lib/wait-until-online";

import {
  type AttachedEvent,
  type AttachedFile,
  attachedReducer,
  collectFiles,
  collectKept,
  type FileState,
  fromAttachment,
  guessKind,
  hasFailed,
  hasPictures,
  isComing,
  NO_FILES_ATTACHED,
} from "./attached";

/** So many are sent at once. */
const MAX_SENDING = 3;
/** The pause before each try after a lost line; the last one for all further tries. */
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15_000] as const;
/** How often is asked how far the server is with a file. */
const FOLLOW_MS = 1000;
/** How much may be attached, until the server has said it. */
const UNKNOWN_LIMITS: AttachmentLimits = { files: 20, bytes: Infinity };

/** How many files a message may have, and how large each may be. */
export interface AttachmentLimits {
  files: number;
  bytes: number;
}

interface SendSteps {
  signal: AbortSignal;
  /** How much has been sent, from 0 to 1. */
  onPart: (part: number) => void;
  /** All has been sent, and the server listens; how much it has heard, where that is known. */
  onHeard: (part: number | null) => void;
}

export interface AttachedFilesOptions {
  /** Gives a file to the server. The same key again is the same file. */
  send: (file: File, key: string, steps: SendSteps) => Promise<Attachment>;
  /** What is said in a recording. */
  hear: (file: File, steps: SendSteps) => Promise<string>;
  read: (id: string) => Promise<Attachment>;
  /** What the server allows; null where it does not say. */
  readLimits: () => Promise<AttachmentLimits | null>;
  remove: (id: string) => Promise<void>;
  /** Whether a model sees pictures; null where that is not known. */
  seesImages: (model: string) => Promise<boolean | null>;
  texts: Pick<TabTexts, "get" | "set">;
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** What the user is asked before pictures go to a model that cannot see. */
export interface PictureQuestion {
  place: string;
  model: string;
  answer: (answer: PictureAnswer) => void;
}

export type PictureAnswer = { kind: "without" } | { kind: "model"; model: string } | { kind: "cancel" };

/** What this page has of a file, and how its work is ended. */
interface Source {
  file: File;
  /** Takes the words of a recording. */
  write: ((text: string) => void) | null;
  controller: AbortController;
}

export class AttachedFiles {
  readonly #places = new Map<string, readonly AttachedFile[]>();
  readonly #sources = new Map<string, Source>();
  /** Attachments that are followed until the server is done with them. */
  readonly #followed = new Set<string>();
  /** The model that gets the names of the pictures alone, by place: the user has said so. */
  readonly #withoutPictures = new Map<string, string>();
  /** Models that a server has refused pictures for. */
  readonly #blind = new Set<string>();
  /** Sends that wait for the files of a place. */
  readonly #waiters = new Map<string, (isReady: boolean) => void>();
  #question: PictureQuestion | null = null;
  readonly #listeners = new Set<() => void>();

  #limits = UNKNOWN_LIMITS;

  constructor(private readonly options: AttachedFilesOptions) {
    void options.readLimits().then((limits) => (this.#limits = limits ?? UNKNOWN_LIMITS));
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The files of a message; those that were kept over a reload are looked for at the first call. */
  readonly list = (place: string): readonly AttachedFile[] => {
    const known = this.#places.get(place);
    if (known !== undefined) return known;
    const kept = parseKept(this.options.texts.get(place)).map((each) => fromAttachment(createUuid(), each));
    this.#places.set(place, kept.length === 0 ? NO_FILES_ATTACHED : kept);
    kept.forEach((file) => void this.#follow(file.key, file.attachment?.id ?? "", true));
    return this.#places.get(place) ?? NO_FILES_ATTACHED;
  };

  /** What was chosen on this page, for a first look at it. */
  readonly getSource = (key: string): File | null => this.#sources.get(key)?.file ?? null;

  readonly getQuestion = (): PictureQuestion | null => this.#question;

  /** Whether a send waits for these files. */
  readonly isAwaited = (place: string): boolean => this.#waiters.has(place);

  /**
   * Attach files to a message. Returns how many were left out, and how many there may be.
   *
   * @param write takes the words of recordings, which are then not attached
   */
  add(place: string, files: readonly File[], write: ((text: string) => void) | null = null) {
    const { files: most } = this.#limits;
    const free = Math.max(most - this.list(place).length, 0);
    const added = files.slice(0, free).map((file) => this.#admit(file, write));
    this.#apply(place, { type: "added", files: added });
    this.#sendNext();
    return { left: files.length - added.length, most };
  }

  #admit(file: File, write: Source["write"]): AttachedFile {
    const key = createUuid();
    const { name, size } = file;
    const { bytes } = this.#limits;
    const isTooBig = size > bytes && write === null;
    if (!isTooBig) this.#sources.set(key, { file, write, controller: new AbortController() });
    return {
      key,
      name,
      size,
      kind: guessKind(file),
      purpose: write === null ? "attach" : "dictate",
      state: isTooBig ? refuseSize(bytes) : { kind: "waiting" },
      attachment: null,
    };
  }

  /** Take a file away, whatever becomes of it at the moment. */
  remove(key: string): void {
    const [place, file] = this.#find(key);
    if (file === undefined) return;
    this.#end(key);
    this.#apply(place, { type: "removed", key });
    // One that stays behind is deleted by the server when its time is over.
    if (file.attachment !== null) void this.options.remove(file.attachment.id).catch(() => undefined);
    this.#sendNext();
  }

  /** Send a file again that did not arrive; `isAttached` makes a file of a recording that was to be text. */
  retry(key: string, isAttached = false): void {
    const [place, file] = this.#find(key);
    const source = this.#sources.get(key);
    if (file === undefined || source === undefined) return;
    source.controller.abort();
    const purpose = isAttached ? "attach" : file.purpose;
    const write = isAttached ? null : source.write;
    this.#sources.set(key, { file: source.file, write, controller: new AbortController() });
    this.#apply(place, { type: "retried", key, purpose });
    this.#sendNext();
  }

  canRetry(key: string): boolean {
    return this.#sources.has(key);
  }

  /** Take the files of a message that is sent now. */
  take(place: string): MessageFiles {
    const files = this.list(place);
    const taken = collectFiles(files, this.#withoutPictures.has(place));
    this.#withoutPictures.delete(place);
    files.forEach(({ key }) => this.#sources.delete(key));
    this.#set(place, NO_FILES_ATTACHED);
    return taken;
  }

  /** Put back the files of a message that was not sent, before those that were attached since. */
  restore(place: string, { attachments }: MessageFiles): void {
    const now = this.list(place);
    const known = new Set(now.map(({ attachment }) => attachment?.id));
    const back = attachments.filter(({ id }) => !known.has(id));
    if (back.length > 0) this.#set(place, [...back.map((one) => fromAttachment(createUuid(), one)), ...now]);
  }

  /** The message is written in another place from now on. */
  move(from: string, to: string): void {
    const moved = [...this.list(from), ...this.list(to)];
    this.#set(from, NO_FILES_ATTACHED);
    this.#set(to, moved);
  }

  /** Something of these files is not there yet, or the user is asked about them. */
  isPending(place: string): boolean {
    return this.list(place).some(({ state }) => state.kind !== "ready") || this.#question?.place === place;
  }

  /**
   * Wait until the files can be sent, and ask about pictures that the model cannot see. Resolves to the model
   * to send to; to null where nothing is to be sent now.
   */
  async prepare(place: string, model: string, onModel: (model: string) => void): Promise<string | null> {
    if (!(await this.#whenReady(place))) return null;
    if (!hasPictures(this.list(place)) || this.#withoutPictures.get(place) === model) return model;
    if (!this.#blind.has(model) && (await this.options.seesImages(model)) !== false) return model;
    if (this.#question !== null) return null;
    const answer = await new Promise<PictureAnswer>((resolve) => {
      this.#question = { place, model, answer: resolve };
      this.#notify();
    });
    if (answer.kind === "without") this.#withoutPictures.set(place, model);
    if (answer.kind === "model") onModel(answer.model);
    this.#question = null;
    this.#notify();
    if (answer.kind === "cancel") return null;
    return answer.kind === "model" ? answer.model : model;
  }

  /** The server has refused pictures for this model: the user is asked the next time. */
  markBlind(model: string): void {
    this.#blind.add(model);
  }

  /** The user does not want to send any more, or looks at another message. */
  cancelWaiting(place: string): void {
    if (this.#question?.place === place) this.#question.answer({ kind: "cancel" });
    this.#waiters.get(place)?.(false);
  }

  #whenReady(place: string): Promise<boolean> {
    const files = this.list(place);
    if (!files.some(isComing)) return Promise.resolve(!files.some(hasFailed));
    this.#waiters.get(place)?.(false);
    return new Promise((resolve) => {
      this.#waiters.set(place, (isReady) => {
        this.#waiters.delete(place);
        resolve(isReady);
        this.#notify();
      });
      this.#notify();
    });
  }

  /** Send what waits, a few files at a time. */
  #sendNext(): void {
    const all = [...this.#places.values()].flat();
    const busy = all.filter(({ state: { kind } }) => kind === "sending" || kind === "lost").length;
    const next = all.filter(({ key, state }) => state.kind === "waiting" && this.#sources.has(key));
    for (const file of next.slice(0, Math.max(MAX_SENDING - busy, 0))) void this.#send(file);
  }

  async #send({ key }: AttachedFile): Promise<void> {
    const source = this.#sources.get(key);
    if (source === undefined) return;
    const { signal } = source.controller;
    this.#tell(key, { type: "sending", key, part: 0 });
    try {
      await this.#sendUntilDone(key, source, signal);
    } catch (error) {
      if (signal.aborted) return; // removed, or sent again
      if (!(error instanceof ApiError)) throw error;
      this.#tell(key, { type: "failed", key, problem: { code: error.code, note: error.note } });
    } finally {
      this.#sendNext();
    }
  }

  async #sendUntilDone(key: string, source: Source, signal: AbortSignal): Promise<void> {
    const wait = this.options.wait ?? waitUntilOnline;
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.#sendOnce(key, source, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) throw error;
        this.#tell(key, { type: "lost", key });
        const waitMs = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 0;
        await wait(Math.max(waitMs, (error.retryAfterS ?? 0) * 1000), signal);
        this.#tell(key, { type: "sending", key, part: 0 });
      }
    }
  }

  async #sendOnce(key: string, { file, write }: Source, signal: AbortSignal): Promise<void> {
    const steps: SendSteps = {
      signal,
      onPart: (part) => this.#tell(key, part < 1 ? { type: "sending", key, part } : LISTENING(key)),
      onHeard: (part) => this.#tell(key, { type: "listening", key, part }),
    };
    if (write === null) {
      const attachment = await this.options.send(file, key, steps);
      if (signal.aborted) return void this.options.remove(attachment.id).catch(() => undefined);
      this.#tell(key, { type: "told", key, attachment });
      return void this.#follow(key, attachment.id);
    }
    const text = (await this.options.hear(file, steps)).trim();
    signal.throwIfAborted();
    if (text === "") return this.#tell(key, { type: "failed", key, problem: { code: "no_words" } });
    write(text);
    this.#end(key);
    const [place] = this.#find(key);
    this.#apply(place, { type: "removed", key });
  }

  /** Ask for an attachment until the server is done with it. `isKept`: it may be gone by now. */
  async #follow(key: string, id: string, isKept = false): Promise<void> {
    if (this.#followed.has(id)) return;
    this.#followed.add(id);
    const { signal } = new AbortController();
    let isKnown = !isKept;
    for (;;) {
      const [, file] = this.#find(key);
      if (file === undefined || (isKnown && !isComing(file))) break;
      if (isKnown) await (this.options.wait ?? waitUntilOnline)(FOLLOW_MS, signal);
      isKnown = true;
      try {
        this.#tell(key, { type: "told", key, attachment: await this.options.read(id) });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 404) this.#tell(key, { type: "failed", key, problem: { code: "gone" } });
        else if (!isPassing(error)) break;
      }
    }
    this.#followed.delete(id);
  }

  #find(key: string): [place: string, file: AttachedFile | undefined] {
    for (const [place, files] of this.#places) {
      const file = files.find((each) => each.key === key);
      if (file !== undefined) return [place, file];
    }
    return ["", undefined];
  }

  #tell(key: string, event: AttachedEvent): void {
    const [place, file] = this.#find(key);
    if (file !== undefined) this.#apply(place, event);
  }

  #end(key: string): void {
    this.#sources.get(key)?.controller.abort();
    this.#sources.delete(key);
  }

  #apply(place: string, event: AttachedEvent): void {
    this.#set(place, attachedReducer(this.list(place), event));
  }

  #set(place: string, files: readonly AttachedFile[]): void {
    this.#places.set(place, files);
    const kept = collectKept(files);
    this.options.texts.set(place, kept.length === 0 ? "" : JSON.stringify(kept));
    if (!files.some(isComing)) this.#waiters.get(place)?.(files.length > 0 && !files.some(hasFailed));
    this.#notify();
  }

  #notify(): void {
    this.#listeners.forEach((listener) => listener());
  }
}

/** It is not sent at all: a server may hang up on what is too big. */
function refuseSize(most_bytes: number): FileState {
  return { kind: "failed", problem: { code: "file_too_big", note: { code: "", params: { most_bytes } } } };
}

const LISTENING = (key: string): AttachedEvent => ({ type: "listening", key, part: null });

/** Whether another try may succeed: no answer, a server in trouble, or one that asks to come later. */
function isPassing(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.isUncertain || error.status === 503 || error.status === 429);
}

function parseKept(json: string): Attachment[] {
  try {
    const kept: unknown = JSON.parse(json || "[]");
    return Array.isArray(kept) ? kept.filter(isAttachment) : [];
  } catch {
    return []; // another program wrote to it
  }
}
