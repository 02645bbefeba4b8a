/** Tells the composer how the conversation goes on: whether it takes a text, and what went wrong. */
import { useEffect } from "react";

import type { ConversationChat } from "./use-conversation-chat";

export interface ChatProgress {
  /** The conversation that is shown; null before its first message. */
  conversationId: string | null;
  /** Whether a text can be sent now. */
  isFree: boolean;
  /** The last text was refused, or its answer failed. */
  problem: "refused" | "failed" | null;
}

export function useProgress(
  conversationId: string | null,
  { problem, live }: Pick<ConversationChat, "problem" | "live">,
  isFree: boolean,
  onProgress: ((progress: ChatProgress) => void) | undefined,
): void {
  const what = problem !== null ? "refused" : live !== null && live.problem !== null ? "failed" : null;
  useEffect(
    () => onProgress?.({ conversationId, isFree, problem: what }),
    [onProgress, conversationId, isFree, what],
  );
}
