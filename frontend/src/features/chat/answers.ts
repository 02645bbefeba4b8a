/** All answers on their way, by conversation: they outlive the page that shows them, which may come and go. */
import type { ApiClient } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";
import type { Message } from "@/shared/api/types";

import { answerEvents, type AnswerAsk, type StreamOptions } from "./answer-stream";
import { after, begun, isUnderWay, type LiveAnswer } from "./live-answer";

export interface AnswersOptions {
  api: Pick<ApiClient, "response" | "json">;
  /** Reads the conversation anew and gives its messages; null where the server cannot be reached. */
  reload: (conversationId: string) => Promise<readonly Message[] | null>;
  /** Calls once, soon: many words that come at once are one change. */
  soon?: (change: () => void) => void;
  wait?: NonNullable<StreamOptions["wait"]>;
}

interface Run {
  live: LiveAnswer;
  leave: AbortController;
}

export class Answers {
  readonly #runs = new Map<string, Run>();
  readonly #listeners = new Set<() => void>();
  #told = true;

  constructor(private readonly options: AnswersOptions) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get(conversationId: string): LiveAnswer | null {
    return this.#runs.get(conversationId)?.live ?? null;
  }

  /** Say something. True once it is stored; false: it is not, and `problem` says why. */
  send(conversationId: string, text: string, stored: readonly Message[], model?: string): Promise<boolean> {
    const body = { conversation_id: conversationId, message: text, ...(model ? { model } : {}) };
    const live = begun({ kind: "send", question: text });
    return this.#begin(conversationId, live, { path: "/api/chat/stream", body }, stored);
  }

  /** Say something else instead of a message; the same promise. */
  edit(conversationId: string, message: Message, text: string, stored: readonly Message[]): Promise<boolean> {
    const live = begun({ kind: "edit", question: text, replaces: message.id });
    return this.#begin(conversationId, live, { path: `/api/messages/${message.id}/edit`, body: { message: text } }, stored);
  }

  /** One more answer beside this one, or to this question, whose answer is `replaces`. */
  again(conversationId: string, messageId: string, replaces: string | null, model?: string): Promise<boolean> {
    const live = begun({ kind: "again", replaces });
    const ask = { path: `/api/messages/${messageId}/regenerate`, body: model ? { model } : {} };
    return this.#begin(conversationId, live, ask, []);
  }

  /** Follow an answer that is under way already. */
  follow(conversationId: string, messageId: string): void {
    const live = begun({ kind: "follow", messageId });
    void this.#begin(conversationId, live, { messageId }, []);
  }

  /** The answer ends with what has come; asked too early, once it has begun. */
  async stop(conversationId: string): Promise<void> {
    const run = this.#runs.get(conversationId);
    if (!run || !isUnderWay(run.live)) return;
    this.#set(run, { ...run.live, stopping: true });
    if (run.live.phase === "sending") return;
    try {
      await this.options.api.json(`/api/conversations/${conversationId}/stop`, { method: "POST" });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#set(run, { ...run.live, stopping: false });
    }
  }

  /** Put away what was refused or given up. */
  dismiss(conversationId: string): void {
    const run = this.#runs.get(conversationId);
    if (run && !isUnderWay(run.live)) this.#drop(conversationId, run);
  }

  #begin(id: string, live: LiveAnswer, ask: AnswerAsk, stored: readonly Message[]): Promise<boolean> {
    const old = this.#runs.get(id);
    if (old && isUnderWay(old.live)) return Promise.resolve(false);
    const run: Run = { live, leave: new AbortController() };
    this.#runs.set(id, run);
    this.#tell();
    return new Promise((resolve) => void this.#follow(id, run, ask, stored, resolve));
  }

  async #follow(id: string, run: Run, ask: AnswerAsk, stored: readonly Message[], kept: (is: boolean) => void) {
    const { api, wait } = this.options;
    try {
      for await (const event of answerEvents(ask, { api, signal: run.leave.signal, ...(wait ? { wait } : {}) })) {
        this.#set(run, after(run.live, event));
        if (event.type !== "start") continue;
        kept(true);
        if (run.live.stopping) void this.stop(id);
      }
    } catch (error) {
      if (run.leave.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      const again = await this.#failed(id, run, error, stored);
      kept(run.live.phase !== "refused");
      if (again !== null) this.follow(id, again);
      return;
    }
    if (await this.options.reload(id)) this.#drop(id, run);
  }

  /** After a refusal, or when the server was gone. Gives the id of the answer to go on with, if there is one. */
  async #failed(id: string, run: Run, error: ApiError, stored: readonly Message[]): Promise<string | null> {
    const problem = { code: error.code, message: error.message };
    const messages = await this.options.reload(id);
    const { messageId, question } = run.live;
    if (messageId !== null) {
      if (messages) this.#drop(id, run);
      else this.#set(run, { ...run.live, phase: "broken", problem });
      return null;
    }
    // The answer to what was sent got lost, but not necessarily what was sent: it is never sent twice.
    const asked = error.status === 0 && question !== null ? newQuestion(messages ?? [], stored, question) : null;
    if (asked === null) {
      this.#set(run, { ...run.live, phase: "refused", problem });
      return null;
    }
    this.#drop(id, run);
    const answer = messages?.find(({ parent_id, status }) => parent_id === asked.id && status === "streaming");
    return answer?.id ?? null;
  }

  #drop(id: string, run: Run): void {
    if (this.#runs.get(id) === run) this.#runs.delete(id);
    this.#tell();
  }

  #set(run: Run, live: LiveAnswer): void {
    run.live = live;
    this.#tell();
  }

  #tell(): void {
    if (!this.#told) return;
    this.#told = false;
    (this.options.soon ?? queueMicrotask)(() => {
      this.#told = true;
      this.#listeners.forEach((listener) => listener());
    });
  }
}

/** The message that says this and was not there before. */
function newQuestion(messages: readonly Message[], before: readonly Message[], text: string): Message | null {
  const old = new Set(before.map(({ id }) => id));
  return messages.find(({ id, role, content }) => role === "user" && content === text && !old.has(id)) ?? null;
}
