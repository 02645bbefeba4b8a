/** A fake of the server's chat for tests: each line to it is scripted, and what was asked of it is kept. */
import type { ApiClient, Ask } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";

export interface Asked {
  path: string;
  ask: Ask;
}

/** What one line says: events as they stand on the wire, then its end, its breaking, or nothing more. */
export interface Line {
  says: readonly string[];
  then: "end" | "break" | "silence";
}

/** `nothing`: the server takes the request and is not heard of again. */
export type Answer = Line | ApiError | "nothing";

export class FakeChatServer implements Pick<ApiClient, "response" | "json"> {
  readonly asked: Asked[] = [];

  constructor(private readonly answers: Answer[]) {}

  response = (path: string, ask: Ask = {}): Promise<Response> => {
    this.asked.push({ path, ask });
    const answer = this.answers.shift() ?? gone();
    if (answer === "nothing") return untilAborted(ask.signal);
    return answer instanceof ApiError
      ? Promise.reject(answer)
      : Promise.resolve(new Response(bodyOf(answer)));
  };

  json = <T>(path: string, ask: Ask = {}): Promise<T> => {
    this.asked.push({ path, ask });
    return Promise.resolve({} as T);
  };
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) =>
    signal?.addEventListener("abort", () => reject(new DOMException("left", "AbortError"))),
  );
}

export const gone = () => new ApiError("unreachable", "the server does not answer", 0);

export function sse(id: string, event: string, data: unknown): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

export const START = sse("0.0", "start", {
  conversation_id: "c",
  message_id: "a",
  user_message_id: "u",
  title: "Say hello",
});
export const DONE = sse("9.0.end", "done", {
  status: "completed",
  message_id: "a",
  model: "echo",
  finish_reason: "stop",
  usage: { total_tokens: 4 },
});

function bodyOf({ says, then }: Line): ReadableStream<Uint8Array> {
  const pieces = says.map((piece) => new TextEncoder().encode(piece));
  return new ReadableStream({
    pull(controller) {
      const piece = pieces.shift();
      if (piece) controller.enqueue(piece);
      else if (then === "end") controller.close();
      else if (then === "break") controller.error(new TypeError("network error"));
      else return new Promise(() => undefined);
    },
  });
}
