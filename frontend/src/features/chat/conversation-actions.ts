/** What the user can do in a conversation: send, edit, answer again, change branch and model, fork. */
import { type RefObject, useCallback, useEffect, useMemo, useRef, useState } from "react";

import type { Attachment } from "@/shared/api/attachments";
import { ApiError } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type { ConversationDetail, Message } from "@/shared/api/types";
import { useServices } from "@/shared/services";

import { useAnswers, useMessageQueueStore } from "./answers-context";
import { createConversation, refetchMessages, updateConversation } from "./queries";
import type { Problem } from "./stream/live-answer";
import type { Unsent } from "./stream/message-queue";
import type { ShownMessage } from "./stream/shown-messages";

/** Actions on the messages of a stored conversation. */
export interface MessageActions {
  /** Send another text with these files of the message. Resolves to whether it is stored. */
  edit: (message: ShownMessage, text: string, kept: readonly Attachment[]) => Promise<boolean>;
  /** Ask for one more answer. */
  regenerate: (message: ShownMessage) => void;
  /** Show the branch of this message. */
  show: (messageId: string) => void;
  fork: (messageId: string) => void;
  /** Look again for an answer that was given up. */
  resume: () => void;
}

/**
 * Counts the conversations that were opened, so that late results do not move a user who has gone elsewhere.
 */
export type Visit = RefObject<number>;

export function useVisit(conversationId: string | null): Visit {
  const visit = useRef(0);
  useEffect(() => {
    visit.current += 1;
  }, [conversationId]);
  return visit;
}

/** Why the last change was refused, until the next change or another conversation. */
export function useProblem(conversationId: string | null) {
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => setProblem(null), [conversationId]);
  /** Make a change on the server; a refusal becomes the problem. Resolves to whether it was made. */
  const attempt = useCallback(async (change: () => Promise<void>): Promise<boolean> => {
    setProblem(null);
    try {
      await change();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem({ code: error.code, message: error.message, note: error.note });
      return false;
    }
  }, []);
  const clear = useCallback(() => setProblem(null), []);
  return { problem, attempt, clear };
}

type Attempt = ReturnType<typeof useProblem>["attempt"];

interface ActionOptions {
  conversationId: string | null;
  messages: readonly Message[];
  visit: Visit;
  attempt: Attempt;
  /** Open another conversation. */
  goTo: (id: string) => void;
}

/** Null where there is no conversation yet. */
export function useMessageActions({ conversationId, messages, visit, attempt, goTo }: ActionOptions) {
  const services = useServices();
  const answers = useAnswers();
  return useMemo<MessageActions | null>(() => {
    if (conversationId === null) return null;
    const { api, queryClient, tabs } = services;
    const show = async (messageId: string): Promise<void> => {
      await updateConversation(services, conversationId, { active_leaf_id: messageId });
      tabs.announce(conversationId);
      await refetchMessages(services, conversationId);
    };
    const fork = async (messageId: string): Promise<void> => {
      const visitBefore = visit.current;
      const path = `/api/messages/${messageId}/fork`;
      const created = await api.json<ConversationDetail>(path, { method: "POST", makes: true, body: {} });
      await queryClient.invalidateQueries({ queryKey: keys.conversations });
      if (visit.current === visitBefore) goTo(created.id);
    };
    return {
      edit: (message, text, kept) =>
        answers.edit(conversationId, message.id, text, ...(message.attachments.length > 0 ? [kept] : [])),
      regenerate: (message) =>
        void answers.regenerate(conversationId, message.id, findReplaced(message, messages)),
      show: (messageId) => void attempt(() => show(messageId)),
      fork: (messageId) => void attempt(() => fork(messageId)),
      resume: () => void answers.resume(conversationId),
    };
  }, [services, answers, conversationId, messages, visit, attempt, goTo]);
}

/** The message that a new answer takes the place of: the answer itself, or the answer to the question. */
function findReplaced(message: ShownMessage, messages: readonly Message[]): string | null {
  if (message.role === "assistant") return message.id;
  return messages[messages.findIndex(({ id }) => id === message.id) + 1]?.id ?? null;
}

/** Send a message. The first one creates the conversation, which takes a moment: `isCreating`. */
export function useSend({ conversationId, visit, attempt, goTo }: Omit<ActionOptions, "messages">) {
  const services = useServices();
  const answers = useAnswers();
  const queue = useMessageQueueStore();
  const [isCreating, setCreating] = useState(false);
  useEffect(() => setCreating(false), [conversationId]);
  /**
   * Resolves to whether the text is stored. One that is not is given back: see `useMessageQueue`.
   * `visitBefore`: the visit in which the user asked for it.
   */
  const send = useCallback(
    async ({ text, files }: Unsent, model: string, visitBefore: number): Promise<boolean> => {
      let id = conversationId;
      if (visit.current === visitBefore) setCreating(id === null);
      const isCreated = await attempt(async () => {
        id ??= (await createConversation(services, model)).id;
      });
      if (visit.current === visitBefore) setCreating(false);
      if (!isCreated || id === null) {
        queue.giveBack(conversationId, text, files); // the message itself was never on its way
        return false;
      }
      const stored = answers.send(id, text, model, { files });
      // A user who has gone elsewhere in the meantime stays there; the answer goes on without them.
      if (conversationId === null && visit.current === visitBefore) goTo(id);
      const isStored = await stored;
      const { queryClient } = services;
      // Its title comes from the first text.
      void queryClient.invalidateQueries({ queryKey: keys.conversations });
      void queryClient.invalidateQueries({ queryKey: keys.conversation(id) });
      return isStored;
    },
    [services, answers, queue, conversationId, visit, attempt, goTo],
  );
  return { send, isCreating };
}

/** A function that sets the model of the conversation: shown at once, taken back where the server refuses. */
export function useSetModel({ conversationId, attempt }: Pick<ActionOptions, "conversationId" | "attempt">) {
  const services = useServices();
  return useCallback(
    (model: string) => {
      if (conversationId === null) return;
      const { queryClient } = services;
      const key = keys.conversation(conversationId);
      const before = queryClient.getQueryData<ConversationDetail>(key);
      if (before) queryClient.setQueryData(key, { ...before, model: model || null });
      void attempt(async () => {
        try {
          await updateConversation(services, conversationId, { model: model || null });
        } catch (error) {
          queryClient.setQueryData(key, before);
          throw error;
        }
      });
    },
    [services, conversationId, attempt],
  );
}
