/** The answers that are streaming, one store for the whole page, and the hooks that read it. */
import { createContext, useContext, useEffect, useSyncExternalStore } from "react";

import type { Services } from "@/shared/services";

import { invalidateConversation, refetchMessages, type StoredConversation } from "./queries";
import { AnswerStore } from "./stream/answer-store";
import type { LiveAnswer, Problem } from "./stream/live-answer";
import { MessageQueue, type QueuedMessage } from "./stream/message-queue";
import { OUTGOING_KEY, OutgoingTexts } from "./stream/outgoing-texts";

const HIDDEN_PAGE_DELAY_MS = 200;

export const AnswersContext = createContext<AnswerStore | null>(null);

/** The queue of an answer store: they live as long. */
const queues = new WeakMap<AnswerStore, MessageQueue>();

export function createAnswers(services: Services): AnswerStore {
  const { api, queryClient, tabs, openTabTexts } = services;
  tabs.subscribe((id) => invalidateConversation(queryClient, id));
  const reload = (id: string) => refetchMessages(services, id);
  const answers = new AnswerStore({
    api,
    reload,
    schedule: scheduleFrame,
    announce: tabs.announce,
    giveBack: (id, text, files) => queue.giveBack(id, text, files),
    outgoing: new OutgoingTexts(openTabTexts(OUTGOING_KEY)),
  });
  const send = (conversationId: string, { id: clientMessageId, text, files, model }: QueuedMessage) =>
    answers.send(conversationId, text, model, { givesBack: false, clientMessageId, files });
  const queue = new MessageQueue({ answers, send, reload, texts: openTabTexts("prompter.queue") });
  queues.set(answers, queue);
  return answers;
}

/** The messages that wait for the end of an answer, and those that return to their fields. */
export function useMessageQueueStore(): MessageQueue {
  const queue = queues.get(useAnswers());
  if (queue === undefined) throw new Error("these answers were not made by createAnswers");
  return queue;
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
  useEffect(() => {
    if (conversationId !== null) answers.recover(conversationId);
  }, [answers, conversationId]);
  const openId = messages.find((message) => message.status === "streaming")?.id ?? null;
  useEffect(() => {
    if (conversationId === null || openId === null || live !== null || status !== "loaded") return;
    answers.follow(conversationId, openId);
  }, [answers, conversationId, openId, live, status]);
}
