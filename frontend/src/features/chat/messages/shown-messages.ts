/** What stands on the screen: the stored messages, and over them the answer on its way. */
import type { Message } from "@/shared/api/types";

import { isUnderWay, type LiveAnswer } from "../stream/live-answer";

/** A message on the screen. */
export interface Shown extends Omit<Message, "status"> {
  status: Message["status"] | "sending";
  /** The phase of the answer on its way, or null for what is only stored. */
  live: LiveAnswer["phase"] | null;
}

export const QUESTION_ON_ITS_WAY = "question";
export const ANSWER_ON_ITS_WAY = "answer";

/** The stored messages as such; `shownMessages` gives those that do not change on as they are. */
export function fromStored(stored: readonly Message[]): Shown[] {
  return stored.map((message) => ({ ...message, live: null }));
}

export function shownMessages(known: readonly Shown[], live: LiveAnswer | null): readonly Shown[] {
  if (live === null) return known;
  if (live.messageId !== null && known.some(({ id }) => id === live.messageId)) {
    return known.map((message) => (message.id === live.messageId ? merged(message, live) : message));
  }
  // An edit that may still be refused leaves its message, and the field it is written in, where they are.
  if (live.kind === "follow" || (live.kind === "edit" && live.phase === "sending")) return known;
  const cut = live.replaces === null ? -1 : known.findIndex(({ id }) => id === live.replaces);
  const before = cut < 0 ? known : known.slice(0, cut);
  const asked = live.question !== null && !before.some(({ id }) => id === live.userMessageId);
  return [...before, ...(asked ? [question(live, before)] : []), answer(live)];
}

/** Whether this message can be acted upon: it is stored, and nothing is on its way. */
export function isSettled(message: Shown, live: LiveAnswer | null): boolean {
  return message.live === null && message.status !== "streaming" && !isUnderWay(live);
}

function merged(message: Shown, live: LiveAnswer): Shown {
  const over = message.status !== "streaming";
  return {
    ...message,
    live: over ? null : live.phase,
    // Right after a reload less has come over the line than is stored.
    content: over || live.content.length < message.content.length ? message.content : live.content,
    reasoning:
      over || live.reasoning.length < (message.reasoning ?? "").length ? message.reasoning : live.reasoning,
    tool_events:
      over || live.tools.length < message.tool_events.length ? message.tool_events : [...live.tools],
    usage: message.usage ?? (live.usage as Message["usage"]),
    error: message.error ?? live.problem,
  };
}

function question(live: LiveAnswer, before: readonly Shown[]): Shown {
  return {
    ...NOTHING,
    id: live.userMessageId ?? QUESTION_ON_ITS_WAY,
    parent_id: before.at(-1)?.id ?? null,
    role: "user",
    content: live.question ?? "",
    status: live.phase === "sending" ? "sending" : "complete",
    live: live.phase,
  };
}

function answer(live: LiveAnswer): Shown {
  return {
    ...NOTHING,
    id: live.messageId ?? ANSWER_ON_ITS_WAY,
    role: "assistant",
    content: live.content,
    reasoning: live.reasoning || null,
    tool_events: [...live.tools],
    status: live.phase === "ended" ? (live.problem ? "failed" : "complete") : "streaming",
    model: live.model,
    usage: live.usage as Message["usage"],
    finish_reason: live.finishReason,
    error: live.problem,
    live: live.phase,
  };
}

const NOTHING = {
  parent_id: null,
  version_ids: [],
  reasoning: null,
  timestamp: "",
  model: null,
  provider: null,
  finish_reason: null,
  usage: null,
  error: null,
  tool_events: [],
};
