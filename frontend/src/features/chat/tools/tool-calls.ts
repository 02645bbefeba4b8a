/** What an assistant's tools did in an answer: one list of calls out of its events, live or stored. Pure. */
import type { ToolEvent } from "@/shared/api/types";

/** `asking`: it waits for its user. `stopped`: its answer ended first. */
export type CallState = "running" | "asking" | "done" | "failed" | "denied" | "expired" | "stopped";

export interface ToolCall {
  id: string;
  name: string;
  toolset: string;
  /** As the model wrote them. */
  args: unknown;
  /** How many characters of the answer's text stand before it. */
  place: number;
  state: CallState;
  /** When the question for approval is over (ISO 8601); null where there is none. */
  expiresAt: string | null;
  result: string | null;
  isTruncated: boolean;
  error: { code: string; message: string } | null;
  ms: number | null;
}

/** The calls in their order. `isOver`: the answer has ended, and with it what has no end of its own. */
export function toolCalls(events: readonly ToolEvent[], isOver: boolean): ToolCall[] {
  const calls = new Map<string, ToolCall>();
  for (const event of events) {
    const id = text(event.data.call_id);
    calls.set(id, after(calls.get(id) ?? begun(id, event), event));
  }
  return [...calls.values()].map((call) =>
    isOver && (call.state === "running" || call.state === "asking") ? { ...call, state: "stopped" } : call,
  );
}

function begun(id: string, { data, text: place }: ToolEvent): ToolCall {
  return {
    id,
    name: text(data.name),
    toolset: text(data.toolset),
    args: data.arguments ?? {},
    place,
    state: "running",
    expiresAt: null,
    result: null,
    isTruncated: false,
    error: null,
    ms: null,
  };
}

function after(call: ToolCall, { event, data }: ToolEvent): ToolCall {
  switch (event) {
    case "tool_call":
      return call;
    case "approval_required":
      return { ...call, state: "asking", expiresAt: text(data.expires_at) || null };
    case "approval_decided":
      return { ...call, state: DECIDED[text(data.decision)] ?? "running" };
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
      return { ...call, state: ENDED[error.code] ?? "failed", error, ms: count(data.ms) };
    }
  }
}

const DECIDED: Record<string, CallState | undefined> = { denied: "denied", expired: "expired" };
const ENDED: Record<string, CallState | undefined> = {
  denied: "denied",
  approval_expired: "expired",
  stopped: "stopped",
  interrupted: "stopped",
};

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const count = (value: unknown): number | null => (typeof value === "number" ? value : null);

/** A piece of an answer as it is read: text, or the calls that were made after it. */
export type Part = { text: string; calls?: never } | { text?: never; calls: ToolCall[] };

/** The answer cut where its tools were called. Text that has not come yet holds no call back. */
export function partsOf(content: string, calls: readonly ToolCall[]): Part[] {
  const parts: Part[] = [];
  let from = 0;
  let characters = 0;
  for (const call of calls) {
    let to = from;
    while (characters < call.place && to < content.length) {
      to += isPair(content, to) ? 2 : 1;
      characters += 1;
    }
    const said = content.slice(from, to);
    const last = parts.at(-1);
    if (said.trim() === "" && last?.calls) last.calls.push(call);
    else parts.push(...(said.trim() === "" ? [] : [{ text: said }]), { calls: [call] });
    from = to;
  }
  const rest = content.slice(from);
  return rest.trim() === "" ? parts : [...parts, { text: rest }];
}

/** How long a text is as the server counts: in characters of Unicode, not of UTF-16. */
export function characters(content: string): number {
  let count = 0;
  for (let at = 0; at < content.length; at += isPair(content, at) ? 2 : 1) count += 1;
  return count;
}

const isPair = (content: string, at: number): boolean => (content.codePointAt(at) ?? 0) > 0xffff;
