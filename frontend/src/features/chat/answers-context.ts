/** The answers that are streaming, one store for the whole page, and the hooks that read it. */
import { createContext, useContext, useEffect, useSyncExternalStore } from "react";

import type { Services } from "@/shared/services";

import { invalidateConversation, refetchMessages, type StoredConversation } from "./queries";
import { AnswerStore } from "./stream/answer-store";
import type { LiveAnswer, Problem } from "./stream/live-answer";

const HIDDEN_PAGE_DELAY_MS = 200;

export const AnswersContext = createContext<AnswerStore | null>(null);

export function createAnswers(services: Services): AnswerStore {
  const { api, queryClient, tabs } = services;
  tabs.subscribe((id) => invalidateConversation(queryClient, id));
  return new AnswerStore({
    api,
    reload: (id) => refetchMessages(services, id),
    schedule: scheduleFrame,
    announce: tabs.announce,
  });
}

/** Run in the next frame; a page in the background has none. */
function scheduleFrame(change: () => void): void {
  if (document.hidden) setTimeout(change, HIDDEN_PAGE_DELAY_MS);
  else requestAnimationFrame(change);
}

export function useAnswers(): AnswerStore {
  const answers = useContext(AnswersContext);
  if (answers === null) throw new Error("useAnswers needs an AnswersContext around it");
  return answers;
}

export function useLiveAnswer(conversationId: string | null): LiveAnswer | null {
  const answers = useAnswers();
  return useSyncExternalStore(answers.subscribe, () =>
    conversationId === null ? null : answers.get(conversationId),
  );
}

export function useRefusal(conversationId: string | null): Problem | null {
  const answers = useAnswers();
  return useSyncExternalStore(answers.subscribe, () =>
    conversationId === null ? null : answers.refusal(conversationId),
  );
}

/** Follow an answer that another page asked for, or this page before it was reloaded. */
export function useFollowOpenAnswer(
  conversationId: string | null,
  { messages, status }: Pick<StoredConversation, "messages" | "status">,
  live: LiveAnswer | null,
): void {
  const answers = useAnswers();
  const openId = messages.find((message) => message.status === "streaming")?.id ?? null;
  useEffect(() => {
    if (conversationId === null || openId === null || live !== null || status !== "loaded") return;
    answers.follow(conversationId, openId);
  }, [answers, conversationId, openId, live, status]);
}
