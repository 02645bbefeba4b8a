/** The state of an answer that is streaming, and how each event changes it. Pure. */
import { type MessageFiles, NO_FILES } from "@/shared/api/attachments";
import type { ToolEvent } from "@/shared/api/types";
import type { Note } from "@/shared/lib/notes";

import { countCharacters } from "../tools/tool-calls";
import type { AnswerEvent } from "./answer-stream";
import type { AnswerAwaited, TokenUsage } from "./chat-events";

/**
 * `sending`: not known to be stored. `uncertain`: it may have arrived, and nobody can be asked.
 * `waiting`: stored, no text yet. `lost`: the connection broke and is
 * retried. `ended`: complete, stopped or failed; the stored message replaces it as soon as it is read.
 * `broken`: given up; the answer may go on at the server.
 */
export type AnswerPhase = "sending" | "uncertain" | "waiting" | "streaming" | "lost" | "ended" | "broken";

export interface Problem {
  code: string;
  /** The server's own words, in English. */
  message: string;
  note?: Note | null;
}

export interface LiveAnswer {
  phase: AnswerPhase;
  /**
   * `regenerate`: one more answer; `follow`: asked for by another page, or by this one before it was
   * reloaded.
   */
  kind: "send" | "edit" | "regenerate" | "follow";
  /** The text that the user sends; null where none is sent. */
  question: string | null;
  /** The files that go with it. */
  files: MessageFiles;
  /** The shown message that this replaces, with all after it; null where it comes last. */
  replaces: string | null;
  /** The id by which the server knows the request again; null where nothing is sent. */
  clientMessageId: string | null;
  messageId: string | null;
  userMessageId: string | null;
  content: string;
  reasoning: string;
  /** The events of tools, as the server stores them with the message. */
  tools: readonly ToolEvent[];
  model: string | null;
  usage: TokenUsage | null;
  finishReason: string | null;
  isStopping: boolean;
  /** Why nothing arrives at the moment. */
  awaited: AnswerAwaited | null;
  problem: Problem | null;
}

export function newLiveAnswer(given: Pick<LiveAnswer, "kind"> & Partial<LiveAnswer>): LiveAnswer {
  return {
    phase: given.kind === "follow" ? "waiting" : "sending",
    question: null,
    files: NO_FILES,
    replaces: null,
    clientMessageId: null,
    messageId: null,
    userMessageId: null,
    content: "",
    reasoning: "",
    tools: [],
    model: null,
    usage: null,
    finishReason: null,
    isStopping: false,
    awaited: null,
    problem: null,
    ...given,
  };
}

export function applyAnswerEvent(before: LiveAnswer, event: AnswerEvent): LiveAnswer {
  // Whatever arrives, or breaks, ends what was awaited.
  const live = before.awaited === null ? before : { ...before, awaited: null };
  switch (event.type) {
    case "awaited":
      return { ...live, awaited: event.awaited };
    case "start":
      return { ...live, phase: "waiting", messageId: event.messageId, userMessageId: event.userMessageId };
    case "content":
      return { ...live, phase: "streaming", content: live.content + event.text };
    case "reasoning":
      return { ...live, phase: "streaming", reasoning: live.reasoning + event.text };
    case "tool":
      return { ...live, phase: "streaming", tools: [...live.tools, locateToolEvent(live, event)] };
    case "lost":
      return { ...live, phase: "lost" };
    case "back":
      return {
        ...live,
        phase: live.content || live.reasoning || live.tools.length ? "streaming" : "waiting",
      };
    case "done":
      return {
        ...live,
        phase: "ended",
        model: event.model,
        usage: event.usage,
        finishReason: event.finishReason,
      };
    case "error":
      return {
        ...live,
        phase: "ended",
        problem: { code: event.code, message: event.message, note: event.note },
      };
  }
}

/** Note where in the answer a tool event happened, in characters as the server counts them. */
function locateToolEvent(live: LiveAnswer, { event, data }: Pick<ToolEvent, "event" | "data">): ToolEvent {
  return { event, data, text: countCharacters(live.content), reasoning: countCharacters(live.reasoning) };
}

/** Whether more of the answer is to come. */
export function isUnderWay(live: LiveAnswer | null): boolean {
  return live !== null && live.phase !== "ended" && live.phase !== "broken";
}
