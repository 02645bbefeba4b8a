/** The events of an answer in the app's own words; those that it does not know are left out. */
import type { ToolEvent } from "@/shared/api/types";

import type { SseEvent } from "./sse";

/** What an answer cost, as far as its provider tells. */
export interface Usage {
  prompt_tokens?: number;
  completion_tokens?: number;
  total_tokens?: number;
  estimated?: boolean;
}

export interface Started {
  type: "start";
  conversationId: string;
  messageId: string;
  userMessageId: string;
  title: string;
}

export interface Done {
  type: "done";
  status: "completed" | "stopped";
  model: string | null;
  finishReason: string | null;
  usage: Usage | null;
}

export type ChatEvent =
  | Started
  | { type: "content"; text: string }
  | { type: "reasoning"; text: string }
  | { type: "tool"; event: ToolEvent["event"]; data: ToolEvent["data"] }
  | Done
  | { type: "error"; message: string; code: string };

/** The event, or null for one that cannot be read. */
export function chatEvent({ event, data: json }: SseEvent): ChatEvent | null {
  const data = objectOf(json);
  if (!data) return null;
  switch (event) {
    case "start":
      return started(data);
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
    case "done":
      return done(data);
    case "error":
      return { type: "error", message: text(data.error), code: text(data.code) };
    default:
      return null;
  }
}

function started(data: Record<string, unknown>): Started {
  return {
    type: "start",
    conversationId: text(data.conversation_id),
    messageId: text(data.message_id),
    userMessageId: text(data.user_message_id),
    title: text(data.title),
  };
}

function done(data: Record<string, unknown>): Done {
  return {
    type: "done",
    status: data.status === "stopped" ? "stopped" : "completed",
    model: text(data.model) || null,
    finishReason: text(data.finish_reason) || null,
    usage: isObject(data.usage) ? data.usage : null,
  };
}

function objectOf(json: string): Record<string, unknown> | null {
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
