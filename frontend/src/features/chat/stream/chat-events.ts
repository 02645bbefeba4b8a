/** Parses the events of an answer from the wire into the types of this app. */
import type { ToolEvent } from "@/shared/api/types";
import { isNote, type Note } from "@/shared/lib/notes";

import type { SseEvent } from "./sse";

/** The tokens of an answer, as far as its provider reports them. */
export interface TokenUsage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
  estimated?: boolean;
}

export interface AnswerStarted {
  type: "start";
  conversationId: string;
  messageId: string;
  userMessageId: string;
  title: string;
}

/** Why nothing of the answer arrives, as the server says each second. */
export type AnswerAwaited =
  { kind: "loading" } | { kind: "queued"; place: number } | { kind: "working"; seconds: number };

export interface AnswerDone {
  type: "done";
  status: "completed" | "stopped";
  model: string | null;
  finishReason: string | null;
  usage: TokenUsage | null;
}

export type ChatEvent =
  | AnswerStarted
  | { type: "content"; text: string }
  | { type: "reasoning"; text: string }
  | { type: "tool"; event: ToolEvent["event"]; data: ToolEvent["data"] }
  | { type: "awaited"; awaited: AnswerAwaited }
  | AnswerDone
  | { type: "error"; message: string; code: string; note: Note | null };

/** Null for an event that is unknown or cannot be read. */
export function parseChatEvent({ event, data: json }: SseEvent): ChatEvent | null {
  const data = parseObject(json);
  if (!data) return null;
  switch (event) {
    case "start":
      return parseStart(data);
    case "message":
      return { type: "content", text: text(data.content) };
    case "reasoning":
      return { type: "reasoning", text: text(data.content) };
    case "tool_call":
    case "approval_required":
    case "approval_decided":
    case "tool_result":
    case "tool_error":
      return { type: "tool", event, data };
    case "status":
      return parseStatus(data);
    case "done":
      return parseDone(data);
    case "error":
      return {
        type: "error",
        message: text(data.error),
        code: text(data.code),
        note: isNote(data.note) ? data.note : null,
      };
    default:
      return null;
  }
}

function parseStart(data: Record<string, unknown>): AnswerStarted {
  return {
    type: "start",
    conversationId: text(data.conversation_id),
    messageId: text(data.message_id),
    userMessageId: text(data.user_message_id),
    title: text(data.title),
  };
}

function parseStatus({ state, place, waited_ms: waitedMs }: Record<string, unknown>): ChatEvent | null {
  switch (state) {
    case "loading":
      return { type: "awaited", awaited: { kind: "loading" } };
    case "queued":
      return { type: "awaited", awaited: { kind: "queued", place: Number(place) || 1 } };
    case "working":
      return { type: "awaited", awaited: { kind: "working", seconds: Math.floor(Number(waitedMs) / 1000) } };
    default:
      return null;
  }
}

function parseDone(data: Record<string, unknown>): AnswerDone {
  return {
    type: "done",
    status: data.status === "stopped" ? "stopped" : "completed",
    model: text(data.model) || null,
    finishReason: text(data.finish_reason) || null,
    usage: isObject(data.usage) ? data.usage : null,
  };
}

function parseObject(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
