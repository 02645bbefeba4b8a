/** One answer as it comes: sends what asks for it once, and comes back for the rest whenever the line is lost. */
import type { ApiClient } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";

import { chatEvent, type ChatEvent } from "./chat-events";
import { SseParser } from "./sse";

/** What begins an answer (a POST), or the id of one that is under way or over. */
export type AnswerAsk = { path: string; body: unknown } | { messageId: string };

/** `lost`: the line broke and is tried again; `back`: it is there again. */
export type AnswerEvent = ChatEvent | { type: "lost" } | { type: "back" };

export interface StreamOptions {
  api: Pick<ApiClient, "response">;
  signal: AbortSignal;
  /** Ends early when the browser is online again. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A line that says nothing for so long, not even that it is open or a comment, is taken for lost. */
  silenceMs?: number;
}

/** Waits before each try to come back; after the last one it is given up. */
export const RETRY_MS: readonly number[] = [
  250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 15_000, 15_000, 30_000, 30_000,
];
const SILENCE_MS = 35_000; // the server sends a comment every 15 s

/**
 * The events of an answer, ended by `done` or `error`.
 *
 * @throws ApiError when it was refused, or cannot be reached: before `start`, what was sent may or may not be stored.
 */
export async function* answerEvents(ask: AnswerAsk, options: StreamOptions): AsyncGenerator<AnswerEvent> {
  let messageId = "messageId" in ask ? ask.messageId : null;
  let lastId = "";
  let failures = 0;
  for (;;) {
    try {
      const response = await open(ask, messageId, lastId, options);
      if (failures > 0) yield { type: "back" };
      for await (const event of pieces(response, options)) {
        failures = 0; // only now: a line that opens and says nothing is none
        lastId = event.id || lastId;
        const told = chatEvent(event);
        if (!told) continue;
        if (told.type === "start") messageId = told.messageId;
        yield told;
        if (told.type === "done" || told.type === "error") return;
      }
    } catch (error) {
      if (messageId === null || !mayPass(error)) throw error;
    }
    options.signal.throwIfAborted();
    const waitMs = RETRY_MS[failures];
    if (messageId === null || waitMs === undefined) throw unreachable();
    yield { type: "lost" };
    failures += 1;
    await (options.wait ?? waitOrOnline)(waitMs, options.signal);
  }
}

async function open(
  ask: AnswerAsk,
  messageId: string | null,
  lastId: string,
  { api, signal, silenceMs }: StreamOptions,
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), silenceMs ?? SILENCE_MS);
  const either = AbortSignal.any([signal, late.signal]);
  try {
    if (messageId === null && "path" in ask) {
      return await api.response(ask.path, { method: "POST", body: ask.body, signal: either });
    }
    const headers: Record<string, string> = lastId ? { "Last-Event-ID": lastId } : {};
    return await api.response(`/api/chat/stream/${messageId}`, { headers, signal: either });
  } catch (error) {
    signal.throwIfAborted();
    throw late.signal.aborted ? unreachable() : error;
  } finally {
    clearTimeout(timer);
  }
}

/** The events of one line, until it ends or is silent for too long. A line that breaks ends here as well. */
async function* pieces(response: Response, { signal, silenceMs }: StreamOptions) {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const parser = new SseParser();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  try {
    for (;;) {
      const piece = await readWithin(reader, silenceMs ?? SILENCE_MS);
      if (piece === null) return;
      yield* parser.feed(decoder.decode(piece, { stream: true }));
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof TypeError)) throw error; // TypeError: what browsers throw for a broken line
  } finally {
    void reader.cancel().catch(() => undefined); // already broken is fine too
  }
}

/** The next bytes; null at the end, or after too long a silence. */
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

/** Whether the next try may have more luck. */
function mayPass(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status >= 500 || error.status === 429);
}

function unreachable(): ApiError {
  return new ApiError("unreachable", "the server does not answer", 0);
}

/** @throws the signal's reason */
async function waitOrOnline(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
    signal.addEventListener("abort", end);
  });
  signal.throwIfAborted();
}
