/** Messages that wait for the end of an answer, and those that return to the field as they were not sent. */
import { joinFiles, type MessageFiles, NO_FILES, readFiles } from "@/shared/api/attachments";
import type { Message } from "@/shared/api/types";
import type { TabTexts } from "@/shared/lib/tab-texts";
import { createUuid } from "@/shared/lib/uuid";

import type { AnswerStore } from "./answer-store";
import { isUnderWay } from "./live-answer";

/** Before a conversation that another tab has taken is looked at again. */
const BUSY_MS = 500;
/** Before a server that cannot be reached is asked again. */
const UNREACHABLE_MS = 3000;
/** The place of the conversation that is still to be created. */
const NEW_PLACE = "new";
/** Why a request came to nothing: what was to follow it waits in the field. */
const NOT_ARRIVED: ReadonlySet<string | undefined> = new Set(["not_arrived", "request_not_arrived"]);

export interface QueuedMessage {
  /** By it the server knows the message again, also from a duplicated tab, which has the same queue. */
  id: string;
  text: string;
  files: MessageFiles;
  /** "" is the server's choice. */
  model: string;
  /** It is not sent any more: it returns to the field as soon as its conversation is shown. */
  isReturned: boolean;
}

/** What returns to the field. */
export type Unsent = Pick<QueuedMessage, "text" | "files">;

export interface MessageQueueOptions {
  answers: Pick<AnswerStore, "get" | "follow" | "recover" | "refusal" | "dismiss" | "subscribe">;
  /** Resolves to whether it is stored. */
  send: (conversationId: string, message: QueuedMessage) => Promise<boolean>;
  /** Reads the messages of a conversation again; null where the server cannot be reached. */
  reload: (conversationId: string) => Promise<readonly Message[] | null>;
  /** What waits, by conversation, also over a reload. */
  texts: Pick<TabTexts, "get" | "set" | "places">;
}

const NONE: readonly QueuedMessage[] = [];

export class MessageQueue {
  /** What was read last of each conversation: the same list until it changes. */
  readonly #known = new Map<string, { json: string; all: readonly QueuedMessage[]; waiting: typeof NONE }>();
  /** Conversations that are looked at now. */
  readonly #busy = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: MessageQueueOptions) {
    options.answers.subscribe(this.wake);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** What waits in a conversation, the next one first. */
  list(conversationId: string | null): readonly QueuedMessage[] {
    return conversationId === null ? NONE : this.#read(conversationId).waiting;
  }

  add(conversationId: string, text: string, model: string, files = NO_FILES): void {
    const added = { id: createUuid(), text, files, model, isReturned: false };
    this.#write(conversationId, [...this.#read(conversationId).all, added]);
    this.wake();
  }

  /**
   * A message was not stored, and returns to the field of its conversation; null is the one that was to be
   * created. What was to follow it returns behind it.
   */
  giveBack(conversationId: string | null, text: string, files = NO_FILES): void {
    const place = conversationId ?? NEW_PLACE;
    const { all, waiting } = this.#read(place);
    const returned = all.filter((each) => each.isReturned);
    const given = { id: createUuid(), text, files, model: "", isReturned: true };
    this.#write(place, [...returned, given, ...waiting]);
    this.#return(place);
  }

  /** Take one back, the last one without an id; null where none waits. */
  takeBack(conversationId: string, id = this.list(conversationId).at(-1)?.id): Unsent | null {
    const taken = this.list(conversationId).find((each) => each.id === id);
    if (taken === undefined) return null;
    this.#write(
      conversationId,
      this.#read(conversationId).all.filter((each) => each.id !== id),
    );
    return taken;
  }

  /** Whether something was not sent after all, and returns to the field. */
  hasReturned(conversationId: string | null): boolean {
    return this.#read(conversationId ?? NEW_PLACE).all.some((each) => each.isReturned);
  }

  /** Take what was not sent after all; null where there is nothing. */
  takeReturned(conversationId: string | null): Unsent | null {
    if (!this.hasReturned(conversationId)) return null;
    const place = conversationId ?? NEW_PLACE;
    const { all, waiting } = this.#read(place);
    this.#write(place, waiting);
    const returned = all.filter((each) => each.isReturned);
    return {
      text: returned.map(({ text }) => text).join("\n"),
      files: returned.map(({ files }) => files).reduce(joinFiles, NO_FILES),
    };
  }

  /** Look whether something can be sent now. */
  readonly wake = (): void => {
    const { answers, texts } = this.options;
    for (const id of texts.places()) {
      if (this.list(id).length === 0) continue;
      answers.recover(id); // what was sent before the page was loaded comes before what follows it
      if (!isUnderWay(answers.get(id))) void this.#proceed(id);
    }
  };

  #wakeIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.wake, ms);
  }

  /** No answer is known to be under way: the server says whether there is one, and how the last one ended. */
  async #proceed(id: string): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    const messages = await this.options.reload(id);
    if (messages === null) this.#wakeIn(UNREACHABLE_MS);
    else this.#dropSent(id, messages);
    const next = this.list(id)[0];
    if (messages !== null && next !== undefined && !isUnderWay(this.options.answers.get(id))) {
      const last = messages.at(-1);
      const isAnswer = last?.role === "assistant";
      if (NOT_ARRIVED.has(this.options.answers.refusal(id)?.code)) this.#return(id);
      else if (isAnswer && last.status === "streaming") this.options.answers.follow(id, last.id);
      else if (isAnswer && last.status === "complete") await this.#send(id, next);
      else this.#return(id); // stopped, failed, cut short, or deleted
    }
    this.#busy.delete(id);
  }

  /** A duplicate of this tab has sent it. */
  #dropSent(id: string, messages: readonly Message[]): void {
    const stored = new Set(messages.map((message) => message.client_message_id));
    const { all } = this.#read(id);
    const left = all.filter((each) => each.isReturned || !stored.has(each.id));
    if (left.length < all.length) this.#write(id, left);
  }

  async #send(id: string, next: QueuedMessage): Promise<void> {
    // It stands among the messages now.
    this.#write(
      id,
      this.#read(id).all.filter((each) => each.id !== next.id),
    );
    if (await this.options.send(id, next)) return;
    this.#write(id, [next, ...this.#read(id).all]);
    if (this.options.answers.refusal(id)?.code !== "busy") return this.#return(id);
    this.options.answers.dismiss(id); // another tab was faster: it waits for that answer, too
    this.#wakeIn(BUSY_MS);
  }

  #return(id: string): void {
    this.#write(
      id,
      this.#read(id).all.map((each) => ({ ...each, isReturned: true })),
    );
  }

  #read(conversationId: string) {
    const json = this.options.texts.get(conversationId);
    const known = this.#known.get(conversationId);
    if (known?.json === json) return known;
    const all = parse(json);
    const read = { json, all, waiting: all.filter((each) => !each.isReturned) };
    this.#known.set(conversationId, read);
    return read;
  }

  #write(conversationId: string, messages: readonly QueuedMessage[]): void {
    this.options.texts.set(conversationId, messages.length === 0 ? "" : JSON.stringify(messages));
    this.#listeners.forEach((listener) => listener());
  }
}

function parse(json: string): readonly QueuedMessage[] {
  if (json === "") return NONE;
  try {
    const kept: unknown = JSON.parse(json);
    if (!Array.isArray(kept)) return NONE;
    return kept.filter(isQueued).map((each) => ({ ...each, files: readFiles(each.files) }));
  } catch {
    return NONE; // another program wrote to it
  }
}

function isQueued(value: unknown): value is QueuedMessage {
  if (typeof value !== "object" || value === null) return false;
  const { id, text, model, isReturned } = value as Record<string, unknown>;
  return [id, text, model].every((each) => typeof each === "string") && typeof isReturned === "boolean";
}
