/** What the chat reads from the server about one conversation, and how the stored copies are kept current. */
import { type QueryClient, useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { type ApiClient, ApiError } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type { ConversationDetail, Message } from "@/shared/api/types";
import { type Services, useServices } from "@/shared/services";

/** The limit of the server. The page shows fewer messages at first: see use-message-window.ts. */
const MAX_MESSAGES = 10_000;
/** Enough for a long conversation over a slow connection. */
const READ_TIMEOUT_MS = 120_000;
/** How often a conversation is read again while a model is asked for its title. */
const TITLE_PAUSE_MS = 1000;
const NO_MESSAGES: readonly Message[] = [];

const conversationPath = (id: string) => `/api/conversations/${encodeURIComponent(id)}`;

const messagesQuery = (api: ApiClient, id: string) => ({
  queryKey: keys.messages(id),
  queryFn: () =>
    api.json<Message[]>(`${conversationPath(id)}/messages?limit=${MAX_MESSAGES}`, {
      signal: AbortSignal.timeout(READ_TIMEOUT_MS),
    }),
});

/** `new`: the first message will create the conversation. `gone`: the server does not have it. */
export type ConversationStatus = "new" | "loading" | "loaded" | "gone" | "failed";

export interface StoredConversation {
  conversation: ConversationDetail | null;
  /** The messages of the current branch, oldest first. */
  messages: readonly Message[];
  status: ConversationStatus;
  refetch: () => void;
}

/** @param isLive an answer is streaming: the conversation exists although its messages are not read yet */
export function useStoredConversation(id: string | null, isLive: boolean): StoredConversation {
  const { api } = useServices();
  const conversation = useQuery({
    queryKey: keys.conversation(id ?? ""),
    queryFn: () => api.json<ConversationDetail>(conversationPath(id ?? "")),
    enabled: id !== null,
    refetchInterval: ({ state }) => (state.data?.title_pending ? TITLE_PAUSE_MS : false),
  });
  useRenamedList(conversation.data);
  const messages = useQuery({ ...messagesQuery(api, id ?? ""), enabled: id !== null });
  const error = conversation.error ?? messages.error;
  return {
    conversation: conversation.data ?? null,
    messages: messages.data ?? NO_MESSAGES,
    status: getStatus(id, error, isLive || messages.data !== undefined),
    refetch: () => void Promise.all([conversation.refetch(), messages.refetch()]),
  };
}

/** A title that has come in the meantime is read by the list of conversations, too. */
function useRenamedList(conversation: ConversationDetail | undefined): void {
  const { queryClient, tabs } = useServices();
  const pendingId = useRef<string | null>(null);
  const id = conversation?.id ?? null;
  const isPending = conversation?.title_pending ?? false;
  useEffect(() => {
    if (id !== null && pendingId.current === id && !isPending) {
      void queryClient.invalidateQueries({ queryKey: keys.conversations });
      tabs.announce(id);
    }
    pendingId.current = isPending ? id : null;
  }, [queryClient, tabs, id, isPending]);
}

function getStatus(id: string | null, error: Error | null, isKnown: boolean): ConversationStatus {
  if (id === null) return "new";
  if (error instanceof ApiError && error.status === 404) return "gone";
  if (isKnown) return "loaded"; // also where a later read failed
  return error === null ? "loading" : "failed";
}

/** Read the conversation and the list of conversations again wherever they are shown. */
export function invalidateConversation(queryClient: QueryClient, id: string): void {
  for (const queryKey of [keys.conversations, keys.conversation(id), keys.messages(id)])
    void queryClient.invalidateQueries({ queryKey });
}

/** Read the messages again: null where the server cannot be reached, none where the conversation is gone. */
export async function refetchMessages(
  { api, queryClient }: Pick<Services, "api" | "queryClient">,
  id: string,
): Promise<readonly Message[] | null> {
  void queryClient.invalidateQueries({ queryKey: keys.conversations });
  void queryClient.invalidateQueries({ queryKey: keys.conversation(id) });
  try {
    return await queryClient.fetchQuery({ ...messagesQuery(api, id), staleTime: 0, retry: false });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.status === 404 ? [] : null;
  }
}

/** @param model "" is the server's choice */
export async function createConversation(
  { api, queryClient }: Pick<Services, "api" | "queryClient">,
  model: string,
): Promise<ConversationDetail> {
  const created = await api.json<ConversationDetail>("/api/conversations", {
    method: "POST",
    makes: true,
    body: model ? { model } : {},
  });
  queryClient.setQueryData(keys.conversation(created.id), created);
  queryClient.setQueryData(keys.messages(created.id), []);
  return created;
}

export async function updateConversation(
  { api, queryClient }: Pick<Services, "api" | "queryClient">,
  id: string,
  changes: { model?: string | null; active_leaf_id?: string },
): Promise<void> {
  const updated = await api.json<ConversationDetail>(`/api/conversations/${id}`, {
    method: "PATCH",
    body: changes,
  });
  queryClient.setQueryData(keys.conversation(id), updated);
}
