/** All answers on their way, by conversation: they outlive the page that shows them, which may come and go. */
import type { ApiClient } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";
import type { Message } from "@/shared/api/types";

import { type AnswerAsk, answerEvents, type StreamOptions } from "./answer-stream";
import { after, begun, isUnderWay, type LiveAnswer, type Problem } from "./live-answer";

export interface AnswersOptions {
  api: Pick<ApiClient, "response" | "json">;
  /** Reads the conversation anew and gives its messages; null where the server cannot be reached. */
  reload: (conversationId: string) => Promise<readonly Message[] | null>;
  /** An answer that was asked for here has begun, or is over: for pages that show the same conversation. */
  tell?: (conversationId: string) => void;
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
  readonly #refusals = new Map<string, Problem>();
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

  /** Why the last thing that was asked for here was refused: nothing of it was stored. */
  refusal(conversationId: string): Problem | null {
    return this.#refusals.get(conversationId) ?? null;
  }

  /** Say something. True once it is stored; false: it is not, and `refusal` says why. */
  send(conversationId: string, text: string, stored: readonly Message[], model?: string): Promise<boolean> {
    const body = { conversation_id: conversationId, message: text, ...(model ? { model } : {}) };
    const live = begun({ kind: "send", question: text });
    return this.#begin(conversationId, live, { path: "/api/chat/stream", body }, stored);
  }

  /** Say something else instead of a message; the same promise. */
  edit(
    conversationId: string,
    messageId: string,
    text: string,
    stored: readonly Message[],
  ): Promise<boolean> {
    const live = begun({ kind: "edit", question: text, replaces: messageId });
    return this.#begin(
      conversationId,
      live,
      { path: `/api/messages/${messageId}/edit`, body: { message: text } },
      stored,
    );
  }

  /** One more answer beside this one, or to this question, whose answer is `replaces`. */
  again(
    conversationId: string,
    messageId: string,
    replaces: string | null,
    model?: string,
  ): Promise<boolean> {
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

  /** Look again for an answer that was given up: what is stored of it, or what still comes. */
  async resume(conversationId: string): Promise<void> {
    const run = this.#runs.get(conversationId);
    if (run?.live.phase !== "broken") return;
    this.#set(run, { ...run.live, phase: "lost" });
    if (await this.options.reload(conversationId)) this.#drop(conversationId, run);
    else this.#set(run, { ...run.live, phase: "broken" });
  }

  /** Put away what was refused or given up. */
  dismiss(conversationId: string): void {
    const run = this.#runs.get(conversationId);
    if (run && !isUnderWay(run.live)) this.#drop(conversationId, run);
    this.#refusals.delete(conversationId);
    this.#tell();
  }

  #begin(id: string, live: LiveAnswer, ask: AnswerAsk, stored: readonly Message[]): Promise<boolean> {
    const old = this.#runs.get(id);
    if (old && isUnderWay(old.live)) return Promise.resolve(false);
    const run: Run = { live, leave: new AbortController() };
    this.#runs.set(id, run);
    if (live.kind !== "follow") this.#refusals.delete(id); // following is nobody's wish, and answers none
    this.#tell();
    return new Promise((resolve) => void this.#follow(id, run, ask, stored, resolve));
  }

  async #follow(
    id: string,
    run: Run,
    ask: AnswerAsk,
    stored: readonly Message[],
    kept: (is: boolean) => void,
  ) {
    const { api, wait } = this.options;
    try {
      for await (const event of answerEvents(ask, {
        api,
        signal: run.leave.signal,
        ...(wait ? { wait } : {}),
      })) {
        this.#set(run, after(run.live, event));
        if (event.type !== "start") continue;
        kept(true);
        this.#tellOthers(id, run);
        if (run.live.stopping) void this.stop(id);
      }
    } catch (error) {
      if (run.leave.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      kept(await this.#failed(id, run, error, stored));
      return;
    }
    this.#tellOthers(id, run);
    if (await this.options.reload(id)) this.#drop(id, run);
  }

  /** Who only follows tells nobody: the one that was followed has told. */
  #tellOthers(id: string, run: Run): void {
    if (run.live.kind !== "follow") this.options.tell?.(id);
  }

  /** After a refusal, or when the server was gone: whether what was said is stored all the same. */
  async #failed(id: string, run: Run, error: ApiError, stored: readonly Message[]): Promise<boolean> {
    const problem = { code: error.code, message: error.message };
    const messages = await this.options.reload(id);
    const { messageId, question } = run.live;
    if (messageId !== null && messages === null) {
      this.#set(run, { ...run.live, phase: "broken", problem });
      return true;
    }
    this.#drop(id, run); // what is under way is in the messages, and is followed from there
    if (messageId !== null) return true;
    // The answer to what was sent got lost, but not necessarily what was sent: it is never sent twice.
    if (error.status === 0 && question !== null && isNew(messages ?? [], stored, question)) return true;
    this.#refusals.set(id, problem);
    return false;
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

/** Whether a message says this that was not there before. */
function isNew(messages: readonly Message[], before: readonly Message[], text: string): boolean {
  const old = new Set(before.map(({ id }) => id));
  return messages.some(({ id, role, content }) => role === "user" && content === text && !old.has(id));
}
