/** All answers that are streaming, by conversation: they go on while the pages that show them come and go. */
import { type ApiClient, ApiError } from "@/shared/api/client";
import type { Message } from "@/shared/api/types";

import { type AnswerRequest, streamAnswer, type StreamOptions } from "./answer-stream";
import { applyAnswerEvent, isUnderWay, type LiveAnswer, newLiveAnswer, type Problem } from "./live-answer";

export interface AnswerStoreOptions {
  api: Pick<ApiClient, "response" | "json">;
  /** Reads the messages of a conversation again; null where the server cannot be reached. */
  reload: (conversationId: string) => Promise<readonly Message[] | null>;
  /**
   * Called when an answer that was asked for here begins and ends, for tabs that show the same conversation.
   */
  announce?: (conversationId: string) => void;
  /** Calls a function soon, so that many words that arrive together are one change. */
  schedule?: (change: () => void) => void;
  wait?: NonNullable<StreamOptions["wait"]>;
}

interface ActiveAnswer {
  live: LiveAnswer;
  controller: AbortController;
}

export class AnswerStore {
  readonly #active = new Map<string, ActiveAnswer>();
  readonly #refusals = new Map<string, Problem>();
  readonly #listeners = new Set<() => void>();
  #isChangeScheduled = false;

  constructor(private readonly options: AnswerStoreOptions) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get(conversationId: string): LiveAnswer | null {
    return this.#active.get(conversationId)?.live ?? null;
  }

  /** Why the last request was refused. Nothing of it was stored. */
  refusal(conversationId: string): Problem | null {
    return this.#refusals.get(conversationId) ?? null;
  }

  /** Send a text. Resolves to true once it is stored, to false where it is not: `refusal` says why. */
  send(conversationId: string, text: string, stored: readonly Message[], model?: string): Promise<boolean> {
    const body = { conversation_id: conversationId, message: text, ...(model ? { model } : {}) };
    const live = newLiveAnswer({ kind: "send", question: text });
    return this.#start(conversationId, live, { path: "/api/chat/stream", body }, stored);
  }

  /** Send another version of a message. Resolves as `send` does. */
  edit(
    conversationId: string,
    messageId: string,
    text: string,
    stored: readonly Message[],
  ): Promise<boolean> {
    const live = newLiveAnswer({ kind: "edit", question: text, replaces: messageId });
    return this.#start(
      conversationId,
      live,
      { path: `/api/messages/${messageId}/edit`, body: { message: text } },
      stored,
    );
  }

  /**
   * Ask for one more answer to a question, or beside an answer. `replaces` is the answer that is shown now.
   */
  regenerate(
    conversationId: string,
    messageId: string,
    replaces: string | null,
    model?: string,
  ): Promise<boolean> {
    const live = newLiveAnswer({ kind: "regenerate", replaces });
    const request = { path: `/api/messages/${messageId}/regenerate`, body: model ? { model } : {} };
    return this.#start(conversationId, live, request, []);
  }

  /** Follow an answer that is streaming already. */
  follow(conversationId: string, messageId: string): void {
    const live = newLiveAnswer({ kind: "follow", messageId });
    void this.#start(conversationId, live, { messageId }, []);
  }

  /** Stop the answer where it is. One that is not stored yet is stopped as soon as it is. */
  async stop(conversationId: string): Promise<void> {
    const active = this.#active.get(conversationId);
    if (!active || !isUnderWay(active.live)) return;
    this.#set(active, { ...active.live, isStopping: true });
    if (active.live.phase === "sending") return;
    try {
      await this.options.api.json(`/api/conversations/${conversationId}/stop`, { method: "POST" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#set(active, { ...active.live, isStopping: false });
    }
  }

  /** Look again for an answer that was given up: what is stored of it, or what still streams. */
  async resume(conversationId: string): Promise<void> {
    const active = this.#active.get(conversationId);
    if (active?.live.phase !== "broken") return;
    this.#set(active, { ...active.live, phase: "lost" });
    if (await this.options.reload(conversationId)) this.#drop(conversationId, active);
    else this.#set(active, { ...active.live, phase: "broken" });
  }

  /** Forget a refusal, or an answer that was given up. */
  dismiss(conversationId: string): void {
    const active = this.#active.get(conversationId);
    if (active && !isUnderWay(active.live)) this.#drop(conversationId, active);
    this.#refusals.delete(conversationId);
    this.#notify();
  }

  #start(id: string, live: LiveAnswer, request: AnswerRequest, stored: readonly Message[]): Promise<boolean> {
    const old = this.#active.get(id);
    if (old && isUnderWay(old.live)) return Promise.resolve(false);
    const active: ActiveAnswer = { live, controller: new AbortController() };
    this.#active.set(id, active);
    // The user did not ask to follow: the refusal stays.
    if (live.kind !== "follow") this.#refusals.delete(id);
    this.#notify();
    return new Promise((resolve) => void this.#follow(id, active, request, stored, resolve));
  }

  async #follow(
    id: string,
    active: ActiveAnswer,
    request: AnswerRequest,
    stored: readonly Message[],
    resolveStored: (isStored: boolean) => void,
  ) {
    const { api, wait } = this.options;
    try {
      for await (const event of streamAnswer(request, {
        api,
        signal: active.controller.signal,
        ...(wait ? { wait } : {}),
      })) {
        this.#set(active, applyAnswerEvent(active.live, event));
        if (event.type !== "start") continue;
        resolveStored(true);
        this.#announce(id, active);
        if (active.live.isStopping) void this.stop(id);
      }
    } catch (error) {
      if (active.controller.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      resolveStored(await this.#handleFailure(id, active, error, stored));
      return;
    }
    this.#announce(id, active);
    if (await this.options.reload(id)) this.#drop(id, active);
  }

  /** The tab that asked for an answer announces it; tabs that only follow it do not. */
  #announce(id: string, active: ActiveAnswer): void {
    if (active.live.kind !== "follow") this.options.announce?.(id);
  }

  /** Handle a refusal or a lost server. Resolves to whether the text is stored all the same. */
  async #handleFailure(
    id: string,
    active: ActiveAnswer,
    error: ApiError,
    stored: readonly Message[],
  ): Promise<boolean> {
    const problem = { code: error.code, message: error.message };
    const messages = await this.options.reload(id);
    const { messageId, question } = active.live;
    if (messageId !== null && messages === null) {
      this.#set(active, { ...active.live, phase: "broken", problem });
      return true;
    }
    this.#drop(id, active); // an answer that streams is among the messages, and is followed from there
    if (messageId !== null) return true;
    // The response was lost, but the text may be stored: it is never sent twice.
    if (error.status === 0 && question !== null && isNewText(messages ?? [], stored, question)) return true;
    this.#refusals.set(id, problem);
    return false;
  }

  #drop(id: string, active: ActiveAnswer): void {
    if (this.#active.get(id) === active) this.#active.delete(id);
    this.#notify();
  }

  #set(active: ActiveAnswer, live: LiveAnswer): void {
    active.live = live;
    this.#notify();
  }

  #notify(): void {
    if (this.#isChangeScheduled) return;
    this.#isChangeScheduled = true;
    (this.options.schedule ?? queueMicrotask)(() => {
      this.#isChangeScheduled = false;
      this.#listeners.forEach((listener) => listener());
    });
  }
}

/** Whether a message with this text was stored since `before`. */
function isNewText(messages: readonly Message[], before: readonly Message[], text: string): boolean {
  const old = new Set(before.map(({ id }) => id));
  return messages.some(({ id, role, content }) => role === "user" && content === text && !old.has(id));
}
