/** Messages that wait for the end of an answer: sent one after the other, or given back to the field. */
import type { Message } from "@/shared/api/types";
import type { TabTexts } from "@/shared/lib/tab-texts";

import type { AnswerStore } from "./answer-store";

/** Before a conversation that another tab has taken is looked at again. */
const BUSY_MS = 500;

export interface QueuedMessage {
  id: string;
  text: string;
  /** "" is the server's choice. */
  model: string;
  /** It is not sent any more: it returns to the field as soon as its conversation is shown. */
  isReturned: boolean;
}

export interface MessageQueueOptions {
  answers: Pick<AnswerStore, "get" | "follow" | "refusal" | "dismiss" | "subscribe">;
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
  #count = 0;

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

  add(conversationId: string, text: string, model: string): void {
    const id = `${Date.now()}.${(this.#count += 1)}`;
    this.#write(conversationId, [...this.#read(conversationId).all, { id, text, model, isReturned: false }]);
    this.wake();
  }

  /** Take one back, the last one without an id; its text, or null where none waits. */
  takeBack(conversationId: string, id = this.list(conversationId).at(-1)?.id): string | null {
    const taken = this.list(conversationId).find((each) => each.id === id);
    if (taken === undefined) return null;
    this.#write(
      conversationId,
      this.#read(conversationId).all.filter((each) => each.id !== id),
    );
    return taken.text;
  }

  /** Whether something was not sent after all, and returns to the field. */
  hasReturned(conversationId: string | null): boolean {
    return conversationId !== null && this.#read(conversationId).all.some((each) => each.isReturned);
  }

  /** Take what was not sent after all; null where there is nothing. */
  takeReturned(conversationId: string): string | null {
    if (!this.hasReturned(conversationId)) return null;
    const { all, waiting } = this.#read(conversationId);
    this.#write(conversationId, waiting);
    return all
      .filter((each) => each.isReturned)
      .map(({ text }) => text)
      .join("\n");
  }

  /** Look whether something can be sent now. */
  readonly wake = (): void => {
    for (const id of this.options.texts.places()) {
      if (this.options.answers.get(id) === null && this.list(id).length > 0) void this.#proceed(id);
    }
  };

  /** No answer is known to be under way: the server says whether there is one, and how the last one ended. */
  async #proceed(id: string): Promise<void> {
    if (this.#busy.has(id)) return;
    this.#busy.add(id);
    const messages = await this.options.reload(id);
    const next = this.list(id)[0];
    if (messages !== null && next !== undefined && this.options.answers.get(id) === null) {
      const last = messages.at(-1);
      const isAnswer = last?.role === "assistant";
      // One that was sent before has not arrived: what was to follow it waits for it in the field.
      if (this.options.answers.refusal(id)?.code === "not_arrived") this.#return(id);
      else if (isAnswer && last.status === "streaming") this.options.answers.follow(id, last.id);
      else if (isAnswer && last.status === "complete") await this.#send(id, next);
      else this.#return(id); // stopped, failed, cut short, or deleted
    }
    this.#busy.delete(id);
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
    setTimeout(this.wake, BUSY_MS);
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
    return Array.isArray(kept) ? kept.filter(isQueued) : NONE;
  } catch {
    return NONE; // another program wrote to it
  }
}

function isQueued(value: unknown): value is QueuedMessage {
  if (typeof value !== "object" || value === null) return false;
  const { id, text, model, isReturned } = value as Record<string, unknown>;
  return [id, text, model].every((each) => typeof each === "string") && typeof isReturned === "boolean";
}
