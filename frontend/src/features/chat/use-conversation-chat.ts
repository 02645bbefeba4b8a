/** One conversation as the page shows it: the stored messages, the streaming answer, and the actions. */
import { useMemo } from "react";

import { useAnswers, useFollowOpenAnswer, useLiveAnswer, useRefusal } from "./answers-context";
import {
  type MessageActions,
  useMessageActions,
  useProblem,
  useSend,
  useSetModel,
  useVisit,
  type Visit,
} from "./conversation-actions";
import { type ConversationStatus, useStoredConversation } from "./queries";
import { isUnderWay, type LiveAnswer, type Problem } from "./stream/live-answer";
import type { Unsent } from "./stream/message-queue";
import { mergeLiveAnswer, type ShownMessage, toShownMessages } from "./stream/shown-messages";

export interface ConversationChat {
  status: ConversationStatus;
  title: string | null;
  /** The model of the conversation; "" is the server's choice. */
  model: string;
  shown: readonly ShownMessage[];
  refetch: () => void;
  live: LiveAnswer | null;
  isAnswering: boolean;
  /** The conversation for the first message is being created. */
  isCreating: boolean;
  /** What was refused last. */
  problem: Problem | null;
  dismissProblem: () => void;
  actions: MessageActions | null;
  send: (message: Unsent, model: string, visitBefore: number) => Promise<boolean>;
  /** Which visit of a conversation this is; see `send`. */
  visit: Visit;
  stop: () => void;
  setModel: (model: string) => void;
}

/** @param goTo opens another conversation; the same function for every render */
export function useConversationChat(
  conversationId: string | null,
  goTo: (id: string) => void,
): ConversationChat {
  const answers = useAnswers();
  const live = useLiveAnswer(conversationId);
  const stored = useStoredConversation(conversationId, live !== null);
  const { messages, status, conversation } = stored;
  useFollowOpenAnswer(conversationId, stored, live);
  const known = useMemo(() => toShownMessages(messages), [messages]);
  const shown = useMemo(() => (status === "gone" ? [] : mergeLiveAnswer(known, live)), [status, known, live]);

  const refusal = useRefusal(conversationId);
  const { problem, attempt, clear } = useProblem(conversationId);
  const visit = useVisit(conversationId);
  const options = { conversationId, messages, visit, attempt, goTo };
  return {
    status,
    visit,
    title: status === "gone" ? null : (conversation?.title ?? null),
    model: conversation?.model ?? "",
    shown,
    refetch: stored.refetch,
    live,
    isAnswering: isUnderWay(live),
    problem: problem ?? refusal,
    dismissProblem: () => {
      clear();
      if (conversationId !== null) answers.dismiss(conversationId);
    },
    actions: useMessageActions(options),
    ...useSend(options),
    stop: () => conversationId !== null && void answers.stop(conversationId),
    setModel: useSetModel(options),
  };
}
