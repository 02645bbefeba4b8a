/** Tells the composer how the conversation goes on: whether it takes a text, its answer, what failed. */
import type { TFunction } from "i18next";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";

import { isUnderWay } from "./stream/live-answer";
import { collectToolCalls, nameTool } from "./tools/tool-calls";
import type { ConversationChat } from "./use-conversation-chat";

/** The last answer of the conversation. */
export interface AnswerProgress {
  /** Null until the server has stored the question. */
  id: string | null;
  /** Markdown. */
  text: string;
  /** `coming`: it was asked for on this page, and more of it follows. */
  state: "coming" | "over" | "stopped";
  /** What waits for the user's approval, in the words of the page; null where nothing does. */
  asking: string | null;
}

export interface ChatProgress {
  /** The conversation that is shown; null before its first message. */
  conversationId: string | null;
  /** Whether a text can be sent now. */
  isFree: boolean;
  /** The last text was refused, or its answer failed. */
  problem: "refused" | "failed" | null;
  /** Null before the first. */
  answer: AnswerProgress | null;
}

type Chat = Pick<ConversationChat, "problem" | "live" | "shown">;

export function useProgress(
  conversationId: string | null,
  chat: Chat,
  isFree: boolean,
  onProgress: ((progress: ChatProgress) => void) | undefined,
): void {
  const { t } = useTranslation();
  const { live } = chat;
  const problem = chat.problem !== null ? "refused" : live?.problem ? "failed" : null;
  const { id = null, text = "", state = null, asking = null } = findAnswer(t, chat) ?? {};
  useEffect(() => {
    const answer = state === null ? null : { id, text, state, asking };
    onProgress?.({ conversationId, isFree, problem, answer });
  }, [onProgress, conversationId, isFree, problem, id, text, state, asking]);
}

/** The streaming answer; after its end the stored one, as more of it may have come than was streamed. */
function findAnswer(t: TFunction, { live, shown }: Chat): AnswerProgress | null {
  if (live !== null && live.kind !== "follow") {
    const calls = collectToolCalls(live.tools, !isUnderWay(live));
    const asking = calls.find((call) => call.state === "asking");
    const state = live.isStopping ? "stopped" : isUnderWay(live) ? "coming" : "over";
    return { id: live.messageId, text: live.content, state, asking: asking ? nameTool(t, asking) : null };
  }
  const stored = shown.findLast(({ role }) => role === "assistant");
  return stored ? { id: stored.id, text: stored.content, state: "over", asking: null } : null;
}
