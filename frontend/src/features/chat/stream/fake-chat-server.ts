/** For tests: a chat server whose connections are scripted, and which records its requests. */
import { type ApiClient, ApiError, type RequestOptions } from "@/shared/api/client";

export interface ChatRequest {
  path: string;
  options: RequestOptions;
}

/** One connection: events as they are on the wire, then its end, its breaking, or silence. */
export interface ScriptedResponse {
  says: readonly string[];
  then: "end" | "break" | "silence";
}

/** `nothing`: the server accepts the request and never answers. */
export type ScriptedAnswer = ScriptedResponse | ApiError | "nothing";

export class FakeChatServer implements Pick<ApiClient, "response" | "json"> {
  readonly requests: ChatRequest[] = [];

  constructor(private readonly answers: ScriptedAnswer[]) {}

  response = (path: string, options: RequestOptions = {}): Promise<Response> => {
    this.requests.push({ path, options });
    const answer = this.answers.shift() ?? ApiError.unreachable();
    if (answer === "nothing") return untilAborted(options.signal);
    return answer instanceof ApiError
      ? Promise.reject(answer)
      : Promise.resolve(new Response(bodyOf(answer)));
  };

  json = <T>(path: string, options: RequestOptions = {}): Promise<T> => {
    this.requests.push({ path, options });
    return Promise.resolve({} as T);
  };
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) =>
    signal?.addEventListener("abort", () => reject(new DOMException("left", "AbortError"))),
  );
}

export function formatSse(id: string, event: string, data: unknown): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

export const START = formatSse("0.0", "start", {
  conversation_id: "c",
  message_id: "a",
  user_message_id: "u",
  title: "Say hello",
});
export const DONE = formatSse("9.0.end", "done", {
  status: "completed",
  message_id: "a",
  model: "echo",
  finish_reason: "stop",
  usage: { total_tokens: 4 },
});

function bodyOf({ says, then }: ScriptedResponse): ReadableStream<Uint8Array> {
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
