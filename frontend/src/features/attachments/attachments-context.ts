/** The files of the messages that are being written, for the whole page: loaded once there are some. */
import { createContext, useContext, useEffect, useLayoutEffect, useMemo, useSyncExternalStore } from "react";

import { type MessageFiles, NO_FILES } from "@/shared/api/attachments";
import type { TabTexts } from "@/shared/lib/tab-texts";
import type { Services } from "@/shared/services";

import type { AttachedFiles } from "./attached-files";

/** The place of the conversation that the first message will create. */
const NEW_PLACE = "new";

/** Knows whose files are shown, and hands everything else on to `AttachedFiles`, which is loaded later. */
export class Attachments {
  #files: AttachedFiles | null = null;
  #loading: Promise<AttachedFiles> | null = null;
  #shown = NEW_PLACE;
  /** The first message of a new conversation is on its way: what is attached meanwhile goes along. */
  #isCreating = false;
  readonly #texts: TabTexts;
  readonly #listeners = new Set<() => void>();

  constructor(private readonly services: Services) {
    this.#texts = services.openTabTexts("prompter.attachments");
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** What has been loaded; null before that. */
  readonly get = (): AttachedFiles | null => this.#files;

  get shown(): string {
    return this.#shown;
  }

  /** Load what keeps the files, once; after a failure again. */
  readonly load = (): Promise<AttachedFiles> => {
    this.#loading ??= this.#open().catch((error: unknown) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  };

  /** Another conversation is shown. */
  show(conversationId: string | null): void {
    const place = conversationId ?? NEW_PLACE;
    if (place === this.#shown) return;
    this.#files?.cancelWaiting(this.#shown);
    if (this.#isCreating && this.#shown === NEW_PLACE) this.#files?.move(NEW_PLACE, place);
    this.#isCreating = false;
    this.#shown = place;
    this.#notify();
  }

  /** Whether files go with the message that is shown, also before they are loaded. */
  readonly hasFiles = (): boolean =>
    this.#files === null ? this.#texts.get(this.#shown) !== "" : this.#files.list(this.#shown).length > 0;

  /** Something of them is not there yet. */
  readonly isPending = (): boolean =>
    this.#files === null ? this.hasFiles() : this.#files.isPending(this.#shown);

  async prepare(model: string, onModel: (model: string) => void): Promise<string | null> {
    const place = this.#shown;
    return (await this.load()).prepare(place, model, onModel);
  }

  /** The server has refused pictures for this model. */
  readonly markBlind = (model: string): void => this.#files?.markBlind(model);

  /** The message is sent: take its files. */
  take(): MessageFiles {
    this.#isCreating = this.#shown === NEW_PLACE;
    return this.#files?.take(this.#shown) ?? NO_FILES;
  }

  /** The message was not sent: put its files back where they came from. */
  async restore(place: string, files: MessageFiles): Promise<void> {
    this.#isCreating = false;
    if (files.attachments.length > 0) (await this.load()).restore(place, files);
  }

  /** What is shown becomes the message of a new conversation. */
  moveToNew(): void {
    this.#files?.move(this.#shown, NEW_PLACE);
  }

  async #open(): Promise<AttachedFiles> {
    const [{ AttachedFiles: Files }, { openServer }] = await Promise.all([
      import("./attached-files"),
      import("./server"),
    ]);
    const files = new Files({ ...openServer(this.services), texts: this.#texts });
    files.subscribe(this.#notify);
    this.#files = files;
    this.#notify();
    return files;
  }

  readonly #notify = (): void => this.#listeners.forEach((listener) => listener());
}

export const AttachmentsContext = createContext<Attachments | null>(null);

export function useAttachments(): Attachments {
  const attachments = useContext(AttachmentsContext);
  if (attachments === null) throw new Error("useAttachments needs an AttachmentsContext around it");
  return attachments;
}

/** A draft without files. */
interface PlainDraft {
  isEmpty: boolean;
  take: (hasFiles?: boolean) => Promise<{ text: string; isWhole: boolean; isCancelled?: boolean }>;
  restore: (text: string) => void;
  holdBack: () => void;
  moveToNew: () => void;
}

/** A draft with the files that go with it. */
export function useDraftWithFiles<D extends PlainDraft>(conversationId: string | null, draft: D) {
  const attachments = useAttachments();
  useLayoutEffect(() => attachments.show(conversationId), [attachments, conversationId]);
  const hasFiles = useSyncExternalStore(attachments.subscribe, attachments.hasFiles);
  const isPending = useSyncExternalStore(attachments.subscribe, attachments.isPending);
  useEffect(() => {
    if (hasFiles) void attachments.load().catch(() => undefined); // whoever needs them tries again
  }, [attachments, hasFiles]);
  return useMemo(() => {
    /** Where the files were that are being sent. */
    let taken = conversationId ?? NEW_PLACE;
    const take = async () => {
      taken = attachments.shown;
      const files = attachments.take();
      const found = await draft.take(files.attachments.length > 0);
      const isBlank = found.text.trim() === "" && files.attachments.length === 0;
      if (!found.isCancelled && !isBlank) return { ...found, files };
      await attachments.restore(taken, files);
      return { ...found, files: NO_FILES };
    };
    return {
      ...draft,
      isEmpty: draft.isEmpty && !hasFiles,
      isPending,
      markBlind: attachments.markBlind,
      ...(hasFiles ? { prepare: preparing(attachments, draft) } : {}),
      take,
      restore: (text: string, files: MessageFiles = NO_FILES) => {
        draft.restore(text);
        void attachments.restore(taken, files);
      },
      moveToNew: (): void => {
        draft.moveToNew();
        attachments.moveToNew();
      },
    };
  }, [attachments, draft, hasFiles, isPending, conversationId]);
}

/** What is sent by itself and asked about is sent by itself once that is answered, or not at all. */
function preparing(attachments: Attachments, { holdBack }: Pick<PlainDraft, "holdBack">) {
  return async (
    model: string,
    isAutomatic: boolean,
    onModel: (model: string) => void,
  ): Promise<string | null> => {
    let isAsked = false;
    const unsubscribe = attachments.subscribe(() => {
      isAsked ||= attachments.get()?.getQuestion() != null;
    });
    const chosen = await attachments.prepare(model, onModel).finally(unsubscribe);
    if (!isAutomatic) return chosen;
    if (chosen === null) holdBack();
    return isAsked ? null : chosen;
  };
}
