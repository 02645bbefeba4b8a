/** For tests: conversations behind `fetch`, as a tree of messages whose answers repeat the question. */
import type { Message } from "@/shared/api/types";

import { formatSse } from "./stream/fake-chat-server";

interface ScriptedRefusal {
  status: number;
  code: string;
  message: string;
}

const NOT_FOUND = { status: 404, code: "not_found", message: "no such conversation" };

export class FakeConversations {
  /** The messages of the one conversation, oldest first. */
  readonly messages: Message[] = [];
  isStopped = false;
  /** No request gets an answer. */
  isDown = false;
  /** The title that a model is being asked for, and whether it has come. */
  naming: { title: string; isOver: boolean } | null = null;
  #leaf: string | null = null;
  #exists = false;
  #refusal: ScriptedRefusal | null = null;
  #end: (status: Message["status"]) => void = () => undefined;
  #held: { request: string; until: Promise<void> } | null = null;
  /** All requests, in order. */
  readonly requests: { request: string; body: Record<string, unknown> }[] = [];

  /** @param options `holds`: answers do not end; `isMute`: they have no words */
  constructor(private readonly options: { holds?: boolean; isMute?: boolean } = {}) {}

  refuseNext(refusal: ScriptedRefusal): void {
    this.#refusal = refusal;
  }

  /** Leave this request unanswered until the returned function is called. */
  hold(request: string): () => void {
    let release = (): void => undefined;
    this.#held = { request, until: new Promise((resolve) => (release = resolve)) };
    return release;
  }

  /** Delete the conversation, as another page would. */
  deleteAll(): void {
    this.#exists = false;
    this.messages.length = 0;
  }

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const request = `${init.method ?? "GET"} ${input instanceof Request ? input.url : input.toString()}`;
    const body = JSON.parse(typeof init.body === "string" ? init.body : "{}") as {
      message?: string;
      active_leaf_id?: string;
    };
    this.requests.push({ request, body });
    if (this.isDown) throw new TypeError("there is no network");
    if (this.#held?.request === request) await this.#held.until;
    return this.#answer(request, body);
  };

  #answer(request: string, body: { message?: string; active_leaf_id?: string }): Response {
    const message = /messages\/([^/]+)\//.exec(request)?.[1];
    if (request.endsWith("/api/models")) return json(["echo"]);
    if (request.includes("/providers/")) return json({ items: [] });
    if (request.includes("nowhere")) return refuse(NOT_FOUND);
    if (request.startsWith("GET /api/chat/stream/")) return this.#follow(request.split("/").at(-1));
    if (request === "POST /api/conversations") return this.#create();
    if (request === "POST /api/chat/stream") return this.#say(body.message ?? "", this.#leaf);
    if (request.endsWith("/edit"))
      return this.#say(body.message ?? "", this.#get(message)?.parent_id ?? null);
    if (request.endsWith("/regenerate"))
      return this.#answerTo(this.#get(this.#get(message)?.parent_id), " (again)");
    if (request.endsWith("/stop")) return this.#stop();
    if (request.includes("/messages?")) return this.#exists ? json(this.#branch()) : refuse(NOT_FOUND);
    if (request.startsWith("PATCH")) this.#leaf = this.#lastOf(body.active_leaf_id ?? "");
    return this.#exists ? json(this.#conversation()) : refuse(NOT_FOUND);
  }

  #stop(): Response {
    this.isStopped = true;
    this.#end("interrupted");
    return json({ status: "stopped" });
  }

  /** The answer that is held ends by itself. */
  finish(): void {
    this.#end("complete");
  }

  #create(): Response {
    this.#exists = true;
    return json(this.#conversation());
  }

  #conversation() {
    const { title, isOver } = this.naming ?? { title: "", isOver: false };
    const first = this.messages[0]?.content ?? "New Conversation";
    return {
      id: "c",
      title: isOver ? title : first,
      model: null,
      title_pending: this.naming !== null && first !== "New Conversation" && !isOver,
    };
  }

  #say(text: string, parent: string | null): Response {
    const refusal = this.#refusal;
    this.#refusal = null;
    if (refusal) return refuse(refusal);
    return this.#answerTo(this.#add("user", text, parent), "");
  }

  #answerTo(question: Message | undefined, tail: string): Response {
    if (!question) return refuse(NOT_FOUND);
    const content = this.options.isMute ? "" : `echo: ${question.content}${tail}`;
    const answer = this.#add("assistant", content, question.id);
    if (this.options.holds) answer.status = "streaming";
    const ids = { conversation_id: "c", message_id: answer.id, user_message_id: question.id, title: "" };
    const events = [formatSse("0.0", "start", ids), formatSse("1.0", "message", { content })];
    if (!this.options.holds)
      events.push(formatSse("1.0.end", "done", { status: "completed", message_id: answer.id }));
    return new Response(
      new ReadableStream({
        start: (controller) => {
          events.forEach((event) => controller.enqueue(new TextEncoder().encode(event)));
          if (!this.options.holds) return controller.close();
          this.#end = (status) => {
            answer.status = status;
            if (status === "interrupted") answer.error = { code: "stopped", message: "its user stopped it" };
            const told = status === "complete" ? "completed" : "stopped";
            const end = formatSse("1.0.end", "done", { status: told, message_id: answer.id });
            controller.enqueue(new TextEncoder().encode(end));
            controller.close();
          };
        },
      }),
    );
  }

  /** Follow an answer whose conversation is deleted at this moment. */
  #follow(id: string | undefined): Response {
    const said = this.#get(id);
    if (!said) return refuse(NOT_FOUND);
    this.deleteAll();
    return new Response(
      formatSse("1.0", "message", { content: said.content }) +
        formatSse("1.0.end", "error", {
          error: "the conversation of this answer has been deleted",
          code: "not_found",
        }),
    );
  }

  #add(role: "user" | "assistant", content: string, parent: string | null): Message {
    const id = `m${this.messages.length}`;
    const made: Message = {
      id,
      role,
      content,
      parent_id: parent,
      version_ids: [],
      status: "complete",
      reasoning: null,
      timestamp: "2026-11-21T04:00:00Z",
      model: null,
      provider: null,
      finish_reason: null,
      usage: null,
      error: null,
      client_message_id: null,
      tool_events: [],
      attachments: [],
    };
    this.messages.push(made);
    this.#leaf = id;
    return made;
  }

  #get(id: string | null | undefined): Message | undefined {
    return this.messages.find((message) => message.id === id);
  }

  #lastOf(id: string): string {
    const next = this.messages.findLast(({ parent_id }) => parent_id === id);
    return next ? this.#lastOf(next.id) : id;
  }

  #branch(): Message[] {
    const branch: Message[] = [];
    for (let at = this.#get(this.#leaf); at; at = this.#get(at.parent_id)) branch.unshift(at);
    return branch.map((message) => ({
      ...message,
      version_ids: this.messages
        .filter(({ parent_id }) => parent_id === message.parent_id)
        .map(({ id }) => id),
    }));
  }
}

function json(body: unknown): Response {
  return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
}

function refuse({ status, code, message }: ScriptedRefusal): Response {
  return new Response(JSON.stringify({ error: { code, message, request_id: "r" } }), { status });
}
