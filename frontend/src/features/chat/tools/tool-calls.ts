/** The tool calls of an answer: built from its events, live or stored, and placed in its text. Pure. */
import type { TFunction } from "i18next";

import type { ToolEvent } from "@/shared/api/types";
import { nameFromIdentifier } from "@/shared/lib/model-names";

import { escapeInvisible } from "./json-text";

/** `asking`: it waits for the user's approval. `stopped`: the answer ended before the call. */
export type CallState = "running" | "asking" | "done" | "failed" | "denied" | "expired" | "stopped";

export interface ToolCall {
  id: string;
  name: string;
  toolset: string;
  /** The arguments, as the model wrote them. */
  args: unknown;
  /** How many characters of the answer come before the call. */
  offset: number;
  state: CallState;
  /** When the wait for approval ends (ISO 8601); null where there is none. */
  expiresAt: string | null;
  result: string | null;
  isTruncated: boolean;
  error: { code: string; message: string } | null;
  ms: number | null;
}

/**
 * The calls in their order.
 *
 * @param isOver the answer has ended: a call without an end of its own is stopped
 */
export function collectToolCalls(events: readonly ToolEvent[], isOver: boolean): ToolCall[] {
  const calls = new Map<string, ToolCall>();
  for (const event of events) {
    const id = text(event.data.call_id);
    calls.set(id, applyToolEvent(calls.get(id) ?? newToolCall(id, event), event));
  }
  return [...calls.values()].map((call) =>
    isOver && (call.state === "running" || call.state === "asking") ? { ...call, state: "stopped" } : call,
  );
}

function newToolCall(id: string, { data, text: offset }: ToolEvent): ToolCall {
  return {
    id,
    name: text(data.name),
    toolset: text(data.toolset),
    args: data.arguments ?? {},
    offset,
    state: "running",
    expiresAt: null,
    result: null,
    isTruncated: false,
    error: null,
    ms: null,
  };
}

function applyToolEvent(call: ToolCall, { event, data }: ToolEvent): ToolCall {
  switch (event) {
    case "tool_call":
      return call;
    case "approval_required":
      return { ...call, state: "asking", expiresAt: text(data.expires_at) || null };
    case "approval_decided":
      return { ...call, state: STATE_BY_DECISION[text(data.decision)] ?? "running" };
    case "tool_result":
      return {
        ...call,
        state: "done",
        result: text(data.result),
        isTruncated: data.truncated === true,
        ms: count(data.ms),
      };
    case "tool_error": {
      const error = { code: text(data.code), message: text(data.error) };
      return { ...call, state: STATE_BY_ERROR[error.code] ?? "failed", error, ms: count(data.ms) };
    }
  }
}

const STATE_BY_DECISION: Record<string, CallState | undefined> = { denied: "denied", expired: "expired" };
const STATE_BY_ERROR: Record<string, CallState | undefined> = {
  denied: "denied",
  approval_expired: "expired",
  stopped: "stopped",
  interrupted: "stopped",
};

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const count = (value: unknown): number | null => (typeof value === "number" ? value : null);

/** A part of an answer in reading order: text, or the calls that follow it. */
export type AnswerPart = { text: string; calls?: never } | { text?: never; calls: ToolCall[] };

/**
 * Split the answer where its tools were called. A call is shown even where the text before it is incomplete.
 */
export function splitAnswer(content: string, calls: readonly ToolCall[]): AnswerPart[] {
  const parts: AnswerPart[] = [];
  let from = 0;
  let count = 0;
  for (const call of calls) {
    let to = from;
    while (count < call.offset && to < content.length) {
      to += isSurrogatePair(content, to) ? 2 : 1;
      count += 1;
    }
    const textBefore = content.slice(from, to);
    const last = parts.at(-1);
    if (textBefore.trim() === "" && last?.calls) last.calls.push(call);
    else parts.push(...(textBefore.trim() === "" ? [] : [{ text: textBefore }]), { calls: [call] });
    from = to;
  }
  const rest = content.slice(from);
  return rest.trim() === "" ? parts : [...parts, { text: rest }];
}

/** The length of a text as the server counts it: in characters of Unicode, not in units of UTF-16. */
export function countCharacters(content: string): number {
  let count = 0;
  for (let at = 0; at < content.length; at += isSurrogatePair(content, at) ? 2 : 1) count += 1;
  return count;
}

const isSurrogatePair = (content: string, at: number): boolean => (content.codePointAt(at) ?? 0) > 0xffff;

/** Tools with a description, by toolset: a foreign tool of the same name may do something else. */
const DESCRIBED_TOOLS = {
  time: ["current_time", "add_to_date", "days_between"],
  calculator: ["calculate"],
  conversations: ["search_conversations"],
  loft: [
    "get_customer_by_phone",
    "get_customer_by_email",
    "get_orders_by_customer",
    "get_order_details",
    "search_products",
  ],
} as const;
type DescribedTool = (typeof DESCRIBED_TOOLS)[keyof typeof DESCRIBED_TOOLS][number];

/** The text that says what a tool does. */
export function describeTool({
  toolset,
  name,
}: Pick<ToolCall, "toolset" | "name">): `tools.does.${DescribedTool | "other"}` {
  const names = Object.entries<readonly DescribedTool[]>(DESCRIBED_TOOLS).find(
    ([set]) => set === toolset,
  )?.[1];
  return `tools.does.${names?.find((known) => known === name) ?? "other"}`;
}

/** What a call does, in words for a sentence about it: a tool without a description has its name alone. */
export function nameTool(t: TFunction, call: Pick<ToolCall, "toolset" | "name">): string {
  const text = describeTool(call);
  return text === "tools.does.other" ? nameFromIdentifier(escapeInvisible(call.name)) : t(text);
}

/** What a call does, as a sentence of its own: a tool without a description has its name, and whose it is. */
export function sayTool(t: TFunction, call: Pick<ToolCall, "toolset" | "name">): string {
  const text = describeTool(call);
  if (text !== "tools.does.other") return t(text);
  const named = `${t(text)}: ${nameTool(t, call)}`;
  if (call.toolset === "") return named;
  return `${named}, ${t("tools.from", { toolset: nameFromIdentifier(escapeInvisible(call.toolset)) })}`;
}

/** What a call is for a program: its name, and its toolset where that is known. */
export function identifyTool({ name, toolset }: Pick<ToolCall, "toolset" | "name">): string {
  const names = toolset === "" ? [name] : [toolset, name];
  return names.map((each) => `\`${escapeInvisible(each)}\``).join(", ");
}

/** Errors with a text; all others are shown in the server's words alone. */
const DESCRIBED_ERRORS = ["no_approval", "bad_arguments", "unknown_tool", "limit", "tool_timeout"] as const;

export function describeError(code: string): `tools.codes.${(typeof DESCRIBED_ERRORS)[number]}` | null {
  const known = DESCRIBED_ERRORS.find((one) => one === code);
  return known ? `tools.codes.${known}` : null;
}
