/** The state of an answer on its way, and how each event changes it. */
import type { ToolEvent } from "@/shared/api/types";

import { characters } from "../tools/tool-calls";
import type { AnswerEvent } from "./answer-stream";
import type { Usage } from "./chat-events";

/**
 * `sending`: not known to be stored. `waiting`: stored, no word yet. `lost`: the line broke and is tried again.
 * `ended`: whole, stopped or failed; the stored message takes its place as soon as it is read.
 * `broken`: given up; the answer may go on at the server.
 */
export type Phase = "sending" | "waiting" | "streaming" | "lost" | "ended" | "broken";

export interface Problem {
  code: string;
  message: string;
}

export interface LiveAnswer {
  phase: Phase;
  /** `again`: one more answer; `follow`: one that somebody else, or this page before a reload, asked for. */
  kind: "send" | "edit" | "again" | "follow";
  /** What the user says; null where nothing new is said. */
  question: string | null;
  /** The shown message that this takes the place of, with all after it; null: it comes last. */
  replaces: string | null;
  messageId: string | null;
  userMessageId: string | null;
  content: string;
  reasoning: string;
  /** What tools did, as the server stores it with the message. */
  tools: readonly ToolEvent[];
  model: string | null;
  usage: Usage | null;
  finishReason: string | null;
  stopping: boolean;
  problem: Problem | null;
}

export function begun(given: Pick<LiveAnswer, "kind"> & Partial<LiveAnswer>): LiveAnswer {
  return {
    phase: given.kind === "follow" ? "waiting" : "sending",
    question: null,
    replaces: null,
    messageId: null,
    userMessageId: null,
    content: "",
    reasoning: "",
    tools: [],
    model: null,
    usage: null,
    finishReason: null,
    stopping: false,
    problem: null,
    ...given,
  };
}

export function after(live: LiveAnswer, event: AnswerEvent): LiveAnswer {
  switch (event.type) {
    case "start":
      return { ...live, phase: "waiting", messageId: event.messageId, userMessageId: event.userMessageId };
    case "content":
      return { ...live, phase: "streaming", content: live.content + event.text };
    case "reasoning":
      return { ...live, phase: "streaming", reasoning: live.reasoning + event.text };
    case "tool":
      return { ...live, phase: "streaming", tools: [...live.tools, placed(live, event)] };
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
      return { ...live, phase: "ended", problem: { code: event.code, message: event.message } };
  }
}

function placed(live: LiveAnswer, { event, data }: Pick<ToolEvent, "event" | "data">): ToolEvent {
  return { event, data, text: characters(live.content), reasoning: characters(live.reasoning) };
}

/** Whether words are still to come. */
export function isUnderWay(live: LiveAnswer | null): boolean {
  return live !== null && live.phase !== "ended" && live.phase !== "broken";
}
