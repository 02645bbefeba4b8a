/** The messages on the screen: the stored ones, and over them the answer that is streaming. Pure. */
import type { Attachment } from "@/shared/api/attachments";
import type { Message } from "@/shared/api/types";

import type { AnswerAwaited } from "./chat-events";
import { type AnswerPhase, isUnderWay, type LiveAnswer } from "./live-answer";

/** A message on the screen. */
export interface ShownMessage extends Omit<Message, "status" | "attachments"> {
  attachments: readonly Attachment[];
  status: Message["status"] | "sending";
  /** The phase of the streaming answer; null for a message that is only stored. */
  live: AnswerPhase | null;
  /** Why nothing of the streaming answer arrives. */
  awaited: AnswerAwaited | null;
}

export const UNSENT_QUESTION_ID = "question";
export const UNSENT_ANSWER_ID = "answer";

/** Stored messages alone. `shownMessages` returns those that do not change as the same objects. */
export function toShownMessages(stored: readonly Message[]): ShownMessage[] {
  return stored.map((message) => ({ ...message, live: null, awaited: null }));
}

export function mergeLiveAnswer(
  known: readonly ShownMessage[],
  live: LiveAnswer | null,
): readonly ShownMessage[] {
  if (live === null) return known;
  if (live.messageId !== null && known.some(({ id }) => id === live.messageId)) {
    return known.map((message) => (message.id === live.messageId ? updateStored(message, live) : message));
  }
  // An edit may still be refused: until it is stored, the message and the field that edits it stay.
  if (live.kind === "follow" || (live.kind === "edit" && isUnknown(live))) return known;
  // Where it is not known whether the request arrived, nothing is being written.
  const isAsked = live.phase !== "uncertain";
  if (!isAsked && live.question === null) return known;
  const cut = live.replaces === null ? -1 : known.findIndex(({ id }) => id === live.replaces);
  const before = cut < 0 ? known : known.slice(0, cut);
  const hasQuestion = live.question !== null && !before.some(({ id }) => id === live.userMessageId);
  return [
    ...before,
    ...(hasQuestion ? [buildQuestion(live, before)] : []),
    ...(isAsked ? [buildAnswer(live)] : []),
  ];
}

/** Whether the message can be changed: it is stored, and no answer is streaming. */
export function isEditable(message: ShownMessage, live: LiveAnswer | null): boolean {
  return message.live === null && message.status !== "streaming" && !isUnderWay(live);
}

/** Whether the request is not known to be stored. */
function isUnknown({ phase }: LiveAnswer): boolean {
  return phase === "sending" || phase === "uncertain";
}

function updateStored(message: ShownMessage, live: LiveAnswer): ShownMessage {
  const isOver = message.status !== "streaming";
  return {
    ...message,
    live: isOver ? null : live.phase,
    awaited: isOver ? null : live.awaited,
    // Right after a reload less has been streamed than is stored.
    content: isOver || live.content.length < message.content.length ? message.content : live.content,
    reasoning:
      isOver || live.reasoning.length < (message.reasoning ?? "").length ? message.reasoning : live.reasoning,
    tool_events:
      isOver || live.tools.length < message.tool_events.length ? message.tool_events : [...live.tools],
    usage: message.usage ?? (live.usage as Message["usage"]),
    error: message.error ?? live.problem,
  };
}

function buildQuestion(live: LiveAnswer, before: readonly ShownMessage[]): ShownMessage {
  return {
    ...EMPTY_MESSAGE,
    id: live.userMessageId ?? UNSENT_QUESTION_ID,
    parent_id: before.at(-1)?.id ?? null,
    role: "user",
    content: live.question ?? "",
    attachments: live.files.attachments,
    status: isUnknown(live) ? "sending" : "complete",
    live: live.phase,
  };
}

function buildAnswer(live: LiveAnswer): ShownMessage {
  return {
    ...EMPTY_MESSAGE,
    id: live.messageId ?? UNSENT_ANSWER_ID,
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
    awaited: live.awaited,
  };
}

const EMPTY_MESSAGE = {
  parent_id: null,
  version_ids: [],
  reasoning: null,
  timestamp: "",
  model: null,
  provider: null,
  finish_reason: null,
  usage: null,
  error: null,
  awaited: null,
  client_message_id: null,
  tool_events: [],
  attachments: [],
};
