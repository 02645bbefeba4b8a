/** The events of one answer: sends the request once, and reconnects for the rest of a lost connection. */
import { type ApiClient, ApiError } from "@/shared/api/client";
import { waitUntilOnline } from "@/shared/lib/wait-until-online";

import { type ChatEvent, parseChatEvent } from "./chat-events";
import { SseParser } from "./sse";

/** A POST that starts an answer, or the id of one that was started before. */
export type AnswerRequest = AnswerPost | { messageId: string };

export interface AnswerPost {
  path: string;
  body: Record<string, unknown>;
}

/** `lost`: the connection broke and is retried; `back`: it works again. */
export type AnswerEvent = ChatEvent | { type: "lost" } | { type: "back" };

export interface StreamOptions {
  api: Pick<ApiClient, "response">;
  signal: AbortSignal;
  /** Ends early when the browser is online again. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A connection without a response or a byte for this long is taken for lost. */
  silenceMs?: number;
}

/** The pause before each try to reconnect; after the last one the answer is given up. */
export const RETRY_MS: readonly number[] = [
  250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 15_000, 15_000, 30_000, 30_000,
];
const MAX_SILENCE_MS = 35_000; // the server sends a comment every 15 s

/**
 * Stream the events of an answer up to `done` or `error`.
 *
 * @throws ApiError where the request is refused or the server cannot be reached. Without a `start` it is not
 * known whether the server has stored the text.
 */
export async function* streamAnswer(
  request: AnswerRequest,
  options: StreamOptions,
): AsyncGenerator<AnswerEvent> {
  let messageId = "messageId" in request ? request.messageId : null;
  let lastId = "";
  let failures = 0;
  for (;;) {
    try {
      const response = await connect(request, messageId, lastId, options);
      if (failures > 0) yield { type: "back" };
      for await (const event of readEvents(response, options)) {
        failures = 0; // only now: a connection that opens and stays silent does not count
        lastId = event.id || lastId;
        const answerEvent = parseChatEvent(event);
        if (!answerEvent) continue;
        if (answerEvent.type === "start") messageId = answerEvent.messageId;
        yield answerEvent;
        if (answerEvent.type === "done" || answerEvent.type === "error") return;
      }
    } catch (error) {
      if (messageId === null || !isRetryable(error)) throw error;
    }
    options.signal.throwIfAborted();
    const waitMs = RETRY_MS[failures];
    if (messageId === null || waitMs === undefined) throw ApiError.unreachable();
    yield { type: "lost" };
    failures += 1;
    await (options.wait ?? waitUntilOnline)(waitMs, options.signal);
  }
}

async function connect(
  request: AnswerRequest,
  messageId: string | null,
  lastId: string,
  { api, signal, silenceMs }: StreamOptions,
): Promise<Response> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), silenceMs ?? MAX_SILENCE_MS);
  const anySignal = AbortSignal.any([signal, timeout.signal]);
  try {
    if (messageId === null && "path" in request) {
      return await api.response(request.path, { method: "POST", body: request.body, signal: anySignal });
    }
    const headers: Record<string, string> = lastId ? { "Last-Event-ID": lastId } : {};
    return await api.response(`/api/chat/stream/${messageId}`, { headers, signal: anySignal });
  } catch (error) {
    signal.throwIfAborted();
    throw timeout.signal.aborted ? ApiError.unreachable() : error;
  } finally {
    clearTimeout(timer);
  }
}

/** The events of one connection, until it ends, breaks, or is silent for too long. */
async function* readEvents(response: Response, { signal, silenceMs }: StreamOptions) {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const parser = new SseParser();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  try {
    for (;;) {
      const bytes = await readWithin(reader, silenceMs ?? MAX_SILENCE_MS);
      if (bytes === null) return;
      yield* parser.feed(decoder.decode(bytes, { stream: true }));
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TypeError)) throw error; // browsers throw a TypeError for a broken connection
  } finally {
    void reader.cancel().catch(() => undefined); // it may be broken already
  }
}

/** The next bytes; null at the end, or after a silence of `silenceMs`. */
async function readWithin(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  silenceMs: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), silenceMs)));
  try {
    return await Promise.race([reader.read().then(({ value }) => value ?? null), silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether another try may succeed. */
function isRetryable(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status >= 500 || error.status === 429);
}
