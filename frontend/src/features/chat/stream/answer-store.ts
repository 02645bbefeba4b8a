/** All answers that are streaming, by conversation: they go on while the pages that show them come and go. */
import { type Attachment, type MessageFiles, NO_FILES, toFileFields } from "@/shared/api/attachments";
import { type ApiClient, ApiError } from "@/shared/api/client";
import type { Message } from "@/shared/api/types";
import { createUuid } from "@/shared/lib/uuid";
import { waitUntilOnline } from "@/shared/lib/wait-until-online";

import {
  type AnswerPost,
  type AnswerRequest,
  RETRY_MS,
  streamAnswer,
  type StreamOptions,
} from "./answer-stream";
import { applyAnswerEvent, isUnderWay, type LiveAnswer, newLiveAnswer, type Problem } from "./live-answer";
import type { OutgoingTexts } from "./outgoing-texts";

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
  /** Keeps a text that was not stored, with its files, for the field of its conversation. */
  giveBack: (conversationId: string, text: string, files: MessageFiles) => void;
  /** Where texts are kept until it is known what became of them. */
  outgoing?: OutgoingTexts;
}

interface SendOptions {
  givesBack?: boolean;
  clientMessageId?: string;
  files?: MessageFiles;
}

interface ActiveAnswer {
  live: LiveAnswer;
  /** Whether a text that is not stored goes to the field of its conversation; else the caller has it. */
  givesBack?: boolean;
  controller: AbortController;
}

export class AnswerStore {
  readonly #active = new Map<string, ActiveAnswer>();
  readonly #refusals = new Map<string, Problem>();
  /** Ids of requests that were not answered and not found: they may arrive late, and are sent again so. */
  readonly #unanswered = new Map<string, string>();
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

  /**
   * Send a text with its files. Resolves to true once it is stored; to false where it is not: `refusal` says
   * why, and both are given back, unless the caller keeps them.
   *
   * @param more.clientMessageId the id by which the server knows the text again, where it has one already
   */
  send(
    conversationId: string,
    text: string,
    model?: string,
    { givesBack = true, clientMessageId, files = NO_FILES }: SendOptions = {},
  ): Promise<boolean> {
    const named = model ? { model } : {};
    const body = { conversation_id: conversationId, message: text, ...named, ...toFileFields(files) };
    const live = newLiveAnswer({
      kind: "send",
      question: text,
      files,
      clientMessageId: clientMessageId ?? null,
    });
    return this.#start(conversationId, live, { path: "/api/chat/stream", body }, givesBack);
  }

  /** Go on with a text that was on its way when the page was left: look whether it has arrived. */
  recover(conversationId: string): void {
    const sent = this.options.outgoing?.find(conversationId);
    if (!sent || this.#active.has(conversationId)) return;
    const { text: question, clientMessageId, files } = sent;
    const live = newLiveAnswer({ kind: "send", question, files, clientMessageId });
    const active: ActiveAnswer = { live, givesBack: true, controller: new AbortController() };
    this.#active.set(conversationId, active);
    this.#notify();
    void this.#resolveUncertain(conversationId, active);
  }

  /** Send another version of a message, with these of its files. Resolves as `send` does. */
  edit(
    conversationId: string,
    messageId: string,
    text: string,
    kept?: readonly Attachment[],
  ): Promise<boolean> {
    const files = { ...NO_FILES, attachments: kept ?? [] };
    const live = newLiveAnswer({ kind: "edit", question: text, files, replaces: messageId });
    const body = { message: text, ...(kept === undefined ? {} : { attachments: kept.map(({ id }) => id) }) };
    const request = { path: `/api/messages/${messageId}/edit`, body };
    return this.#start(conversationId, live, request);
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
    return this.#start(conversationId, live, request);
  }

  /** Follow an answer that is streaming already. */
  follow(conversationId: string, messageId: string): void {
    const live = newLiveAnswer({ kind: "follow", messageId });
    void this.#start(conversationId, live, { messageId });
  }

  /** Stop the answer where it is. One that is not stored yet is stopped as soon as it is. */
  async stop(conversationId: string): Promise<void> {
    const active = this.#active.get(conversationId);
    if (!active || !isUnderWay(active.live)) return;
    this.#set(active, { ...active.live, isStopping: true });
    if (active.live.messageId === null) return;
    if (!(await this.#postStop(conversationId))) this.#set(active, { ...active.live, isStopping: false });
  }

  /** Resolves to whether the server has stopped the answer. */
  async #postStop(conversationId: string): Promise<boolean> {
    try {
      await this.options.api.json(`/api/conversations/${conversationId}/stop`, { method: "POST" });
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return false;
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

  #start(id: string, live: LiveAnswer, request: AnswerRequest, givesBack = false): Promise<boolean> {
    const old = this.#active.get(id);
    if (old && isUnderWay(old.live)) return Promise.resolve(false);
    const active: ActiveAnswer = { live, givesBack, controller: new AbortController() };
    this.#active.set(id, active);
    // The user did not ask to follow: the refusal stays.
    if (live.kind !== "follow") this.#refusals.delete(id);
    if ("path" in request) request = this.#name(id, active, request);
    this.#notify();
    return new Promise((resolve) => void this.#follow(id, active, request, resolve));
  }

  /** Give a request the id by which the server knows it again. */
  #name(conversationId: string, active: ActiveAnswer, { path, body }: AnswerPost): AnswerPost {
    const { kind, question: text, files } = active.live;
    const unanswered = this.#unanswered.get(nameRequest(conversationId, active.live));
    const clientMessageId = active.live.clientMessageId ?? unanswered ?? createUuid();
    this.#set(active, { ...active.live, clientMessageId });
    if (kind === "send" && text !== null)
      this.options.outgoing?.add(conversationId, { clientMessageId, text, files });
    return { path, body: { ...body, client_message_id: clientMessageId } };
  }

  async #follow(
    id: string,
    active: ActiveAnswer,
    request: AnswerRequest,
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
        this.#forget(id, active);
        resolveStored(true);
        this.#announce(id, active);
        if (active.live.isStopping) void this.stop(id);
      }
    } catch (error) {
      if (active.controller.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      resolveStored(await this.#handleFailure(id, active, error));
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
  async #handleFailure(id: string, active: ActiveAnswer, error: ApiError): Promise<boolean> {
    const problem = { code: error.code, message: error.message, note: error.note };
    const { messageId, kind } = active.live;
    if (messageId === null && kind !== "follow" && error.isUncertain)
      return this.#resolveUncertain(id, active);
    const messages = await this.options.reload(id);
    if (messageId !== null && messages === null) {
      this.#set(active, { ...active.live, phase: "broken", problem });
      return true;
    }
    if (messageId === null) this.#refuse(id, active, problem);
    this.#drop(id, active); // an answer that streams is among the messages, and is followed from there
    return messageId !== null;
  }

  /**
   * The request was not answered, and may have arrived: look among the messages as soon as the server can be
   * asked. Until then nothing else can be sent. Resolves to whether it is stored.
   */
  async #resolveUncertain(id: string, active: ActiveAnswer): Promise<boolean> {
    const messages = await this.#readWhenBack(id, active);
    const { clientMessageId, isStopping } = active.live;
    const found = messages.find((message) => message.client_message_id === clientMessageId);
    if (found) {
      this.#forget(id, active);
      this.#announce(id, active);
      if (isStopping) void this.#postStop(id);
    } else {
      const code = active.live.kind === "regenerate" ? "request_not_arrived" : "not_arrived";
      this.#refuse(id, active, { code, message: "the request did not reach the server" });
      if (clientMessageId !== null) this.#unanswered.set(nameRequest(id, active.live), clientMessageId);
    }
    this.#drop(id, active);
    return found !== undefined;
  }

  async #readWhenBack(id: string, active: ActiveAnswer): Promise<readonly Message[]> {
    for (let tries = 0; ; tries += 1) {
      const messages = await this.options.reload(id);
      if (messages !== null) return messages;
      this.#set(active, { ...active.live, phase: "uncertain" });
      const waitMs = RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 0;
      await (this.options.wait ?? waitUntilOnline)(waitMs, active.controller.signal);
    }
  }

  /** Nothing of the request is stored: say why, and give its text back. */
  #refuse(id: string, active: ActiveAnswer, problem: Problem): void {
    const { question, files } = active.live;
    this.#refusals.set(id, problem);
    if (active.givesBack && question !== null) this.options.giveBack(id, question, files);
    this.#forget(id, active); // it is kept elsewhere by now
  }

  /** It is known what became of the request. */
  #forget(id: string, { live }: ActiveAnswer): void {
    if (live.clientMessageId === null) return;
    this.#unanswered.delete(nameRequest(id, live));
    this.options.outgoing?.remove(id, live.clientMessageId);
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

/** The same for a request that the user makes again without a change. */
function nameRequest(conversationId: string, { kind, replaces, question, files }: LiveAnswer): string {
  return JSON.stringify([conversationId, kind, replaces, question, toFileFields(files)]);
}
