/** Everything that one can do in a conversation, joined: what is stored, what is on its way, and what is said next. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { api } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";
import { otherPages } from "@/shared/api/other-pages";
import { queryClient } from "@/shared/api/query-client";
import { keys } from "@/shared/api/query-keys";
import type { ConversationDetail, Message } from "@/shared/api/types";

import { fromStored, type Shown, shownMessages } from "./messages/shown-messages";
import { reloadMessages, useConversation, useMessages } from "./queries";
import { answers, useLiveAnswer, useRefusal } from "./stream/chat-answers";
import { isUnderWay, type Problem } from "./stream/live-answer";

const NONE: readonly Message[] = [];

export interface ConversationActions {
  edit: (message: Shown, text: string) => Promise<boolean>;
  again: (message: Shown) => void;
  show: (messageId: string) => void;
  fork: (messageId: string) => void;
  /** Looks again for the answer that was given up. */
  resume: () => void;
}

export function useConversationChat(conversationId: string | null, goTo: (id: string) => void) {
  const conversation = useConversation(conversationId);
  const messages = useMessages(conversationId);
  const live = useLiveAnswer(conversationId);
  const refusal = useRefusal(conversationId);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [isMaking, setMaking] = useState(false);
  const visit = useRef(0);
  useEffect(() => {
    visit.current += 1;
    setProblem(null);
    setMaking(false);
  }, [conversationId]);
  const stored = messages.data ?? NONE;
  const known = useMemo(() => fromStored(stored), [stored]);
  const status = statusOf(
    conversationId,
    conversation.error ?? messages.error,
    live !== null || messages.data !== undefined,
  );
  const shown = useMemo(() => (status === "gone" ? [] : shownMessages(known, live)), [status, known, live]);

  // An answer that this page did not ask for, or asked for before it was reloaded.
  const open = stored.find(({ status }) => status === "streaming")?.id ?? null;
  useEffect(() => {
    if (conversationId === null || open === null || live !== null) return;
    if (status === "there") answers.follow(conversationId, open); // what is gone has nothing more to say
  }, [conversationId, open, live, status]);

  /** A change on the server, its refusal shown. */
  const attempt = useCallback(async (change: () => Promise<void>) => {
    setProblem(null);
    try {
      await change();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setProblem({ code: error.code, message: error.message });
    }
  }, []);

  const actions = useMemo<ConversationActions | null>(() => {
    if (conversationId === null) return null;
    return {
      edit: (message, text) => answers.edit(conversationId, message.id, text, stored),
      again: (message) => void answers.again(conversationId, message.id, replacedBy(message, stored)),
      show: (id) =>
        void attempt(async () => {
          await change(conversationId, { active_leaf_id: id });
          otherPages.tell(conversationId);
          await reloadMessages(conversationId);
        }),
      fork: (id) =>
        void attempt(async () => {
          const from = visit.current;
          const made = await api.json<ConversationDetail>(`/api/messages/${id}/fork`, {
            method: "POST",
            body: {},
          });
          await queryClient.invalidateQueries({ queryKey: keys.conversations });
          if (visit.current === from) goTo(made.id);
        }),
      resume: () => void answers.resume(conversationId),
    };
  }, [conversationId, stored, attempt, goTo]);

  /** True once the text is stored; the first one makes the conversation. */
  const say = useCallback(
    async (text: string, model: string): Promise<boolean> => {
      let id = conversationId;
      const from = visit.current;
      setProblem(null);
      try {
        setMaking(id === null);
        id ??= (await makeConversation(model)).id;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setProblem({ code: error.code, message: error.message });
        return false;
      } finally {
        if (visit.current === from) setMaking(false);
      }
      const kept = answers.send(id, text, stored, model);
      // Not for who has gone elsewhere meanwhile: it goes on without them.
      if (conversationId === null && visit.current === from) goTo(id);
      const isKept = await kept;
      void queryClient.invalidateQueries({ queryKey: keys.conversations }); // it has a title now
      void queryClient.invalidateQueries({ queryKey: keys.conversation(id) });
      return isKept;
    },
    [conversationId, stored, goTo],
  );

  const setModel = useCallback(
    (model: string) => {
      if (conversationId === null) return;
      const key = keys.conversation(conversationId);
      const before = queryClient.getQueryData<ConversationDetail>(key);
      if (before) queryClient.setQueryData(key, { ...before, model: model || null }); // chosen is chosen
      void attempt(async () => {
        try {
          await change(conversationId, { model: model || null });
        } catch (error) {
          queryClient.setQueryData(key, before);
          throw error;
        }
      });
    },
    [conversationId, attempt],
  );

  return {
    conversation: conversation.data ?? null,
    title: status === "gone" ? null : (conversation.data?.title ?? null),
    status,
    shown,
    live,
    isAnswering: isUnderWay(live),
    /** The conversation for the first message is being made. */
    isMaking,
    problem: problem ?? refusal,
    dismiss: () => {
      setProblem(null);
      if (conversationId !== null) answers.dismiss(conversationId);
    },
    retry: () => void Promise.all([conversation.refetch(), messages.refetch()]),
    stop: () => conversationId !== null && void answers.stop(conversationId),
    say,
    setModel,
    actions,
  };
}

export type ConversationStatus = "new" | "loading" | "there" | "gone" | "failed";

function statusOf(id: string | null, error: Error | null, isRead: boolean): ConversationStatus {
  if (id === null) return "new";
  if (error instanceof ApiError && error.status === 404) return "gone";
  if (isRead) return "there"; // also when it cannot be read anew
  return error === null ? "loading" : "failed";
}

async function makeConversation(model: string): Promise<ConversationDetail> {
  const made = await api.json<ConversationDetail>("/api/conversations", {
    method: "POST",
    body: model ? { model } : {},
  });
  queryClient.setQueryData(keys.conversation(made.id), made);
  queryClient.setQueryData(keys.messages(made.id), []);
  return made;
}

async function change(
  id: string,
  changes: { model?: string | null; active_leaf_id?: string },
): Promise<void> {
  const changed = await api.json<ConversationDetail>(`/api/conversations/${id}`, {
    method: "PATCH",
    body: changes,
  });
  queryClient.setQueryData(keys.conversation(id), changed);
}

/** What of the shown branch a new answer takes the place of: this one, or that to this question. */
function replacedBy(message: Shown, stored: readonly Message[]): string | null {
  if (message.role === "assistant") return message.id;
  return stored[stored.findIndex(({ id }) => id === message.id) + 1]?.id ?? null;
}
