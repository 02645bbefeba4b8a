/** The page's answers on their way, joined to its server state. */
import { useSyncExternalStore } from "react";

import { api } from "@/shared/api/client";
import { otherPages } from "@/shared/api/other-pages";

import { reloadMessages, staleConversation } from "../queries";
import { Answers } from "./answers";
import type { LiveAnswer, Problem } from "./live-answer";

const HIDDEN_MS = 200;

/** In the next frame; a page in the background has none. */
function soon(change: () => void): void {
  if (document.hidden) setTimeout(change, HIDDEN_MS);
  else requestAnimationFrame(change);
}

/** The same conversations, shown elsewhere in this browser. */
otherPages.hear(staleConversation);

export const answers = new Answers({ api, reload: reloadMessages, soon, tell: otherPages.tell });

export function useLiveAnswer(conversationId: string | null): LiveAnswer | null {
  return useSyncExternalStore(answers.subscribe, () =>
    conversationId === null ? null : answers.get(conversationId),
  );
}

export function useRefusal(conversationId: string | null): Problem | null {
  return useSyncExternalStore(answers.subscribe, () =>
    conversationId === null ? null : answers.refusal(conversationId),
  );
}
