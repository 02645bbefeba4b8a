/** The answers that are streaming, one store for the whole page, and the hooks that read it. */
import { createContext, useContext, useEffect, useSyncExternalStore } from "react";

import { keys } from "@/shared/api/queries";
import type { Me } from "@/shared/api/types";
import { openTabStorage, TabTexts } from "@/shared/lib/tab-texts";
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
  const { api, queryClient, session, tabs } = services;
  tabs.subscribe((id) => invalidateConversation(queryClient, id));
  const readOwner = (): string => queryClient.getQueryData<Me>(keys.me)?.id ?? "";
  const openTexts = (name: string): TabTexts => {
    const texts = new TabTexts(name, openTabStorage(), readOwner);
    session.subscribe(() => (session.state === "out" ? texts.pause() : texts.resume()));
    return texts;
  };
  const reload = (id: string) => refetchMessages(services, id);
  const answers = new AnswerStore({
    api,
    reload,
    schedule: scheduleFrame,
    announce: tabs.announce,
    outgoing: new OutgoingTexts(openTexts(OUTGOING_KEY)),
  });
  const send = (id: string, { text, model }: QueuedMessage) =>
    answers.send(id, text, model, { givesBack: false });
  queues.set(answers, new MessageQueue({ answers, send, reload, texts: openTexts("prompter.queue") }));
  return answers;
}

/** The messages that wait for the end of an answer. */
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

/** Give a text that was not stored back to the field of its conversation, once that is shown. */
export function useUnsent(conversationId: string | null, restore: (text: string) => void): void {
  const answers = useAnswers();
  const unsent = useSyncExternalStore(answers.subscribe, () => answers.unsent(conversationId));
  useEffect(() => {
    if (unsent === null || answers.unsent(conversationId) === null) return;
    answers.takeUnsent(conversationId);
    restore(unsent);
  }, [answers, conversationId, unsent, restore]);
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
