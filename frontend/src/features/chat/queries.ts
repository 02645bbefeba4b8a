/** What the chat asks the server, and under which keys the answers are kept. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { api } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";
import { queryClient } from "@/shared/api/query-client";
import { keys } from "@/shared/api/query-keys";
import type {
  ConversationDetail,
  Dictation,
  DictationDetail,
  LlmProvider,
  Message,
} from "@/shared/api/types";
import { type Assistant, assistantsOf } from "@/shared/lib/assistants";

/** The server's limit. What is shown at first is less: see message-list. */
const LONGEST_MESSAGES = 10_000;
/** A server that hangs is not waited for for ever; a slow line brings a long conversation within it. */
const READ_MS = 120_000;

const readMessages = (id: string) => ({
  queryKey: keys.messages(id),
  queryFn: () =>
    api.json<Message[]>(`/api/conversations/${encodeURIComponent(id)}/messages?limit=${LONGEST_MESSAGES}`, {
      signal: AbortSignal.timeout(READ_MS),
    }),
});

export function useConversation(id: string | null) {
  return useQuery({
    queryKey: keys.conversation(id ?? ""),
    queryFn: () => api.json<ConversationDetail>(`/api/conversations/${encodeURIComponent(id ?? "")}`),
    enabled: id !== null,
  });
}

export function useMessages(id: string | null) {
  return useQuery({ ...readMessages(id ?? ""), enabled: id !== null });
}

export function useModels() {
  return useQuery({
    queryKey: keys.models,
    queryFn: () => api.json<string[]>("/api/models"),
    staleTime: 60_000,
  });
}

/** Those who act, ready or not; none where the list cannot be read. */
export function useAssistants(): readonly Assistant[] {
  const { data } = useQuery({
    queryKey: keys.languageModels,
    queryFn: ({ signal }) => api.json<{ items: LlmProvider[] }>("/providers/llm", { signal }),
    staleTime: 60_000,
  });
  return useMemo(() => assistantsOf(data?.items), [data]);
}

/** It has changed elsewhere: whatever shows it reads it anew. */
export function staleConversation(id: string): void {
  for (const queryKey of [keys.conversations, keys.conversation(id), keys.messages(id)])
    void queryClient.invalidateQueries({ queryKey });
}

/** Reads a conversation anew; null where the server cannot be reached, nothing where it is gone. */
export async function reloadMessages(id: string): Promise<readonly Message[] | null> {
  void queryClient.invalidateQueries({ queryKey: keys.conversations });
  void queryClient.invalidateQueries({ queryKey: keys.conversation(id) });
  try {
    return await queryClient.fetchQuery({ ...readMessages(id), staleTime: 0, retry: false });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.status === 404 ? [] : null;
  }
}

const NEXT = /<([^>]+)>;\s*rel="next"/;

export function useDictations() {
  return useInfiniteQuery({
    queryKey: keys.dictations,
    initialPageParam: "/api/dictations",
    queryFn: async ({ pageParam }) => {
      const response = await api.response(pageParam);
      const next = NEXT.exec(response.headers.get("Link") ?? "")?.[1] ?? null;
      return { items: (await response.json()) as Dictation[], next };
    },
    getNextPageParam: (page) => page.next,
  });
}

export function useDictation(id: string | null) {
  return useQuery({
    queryKey: [...keys.dictations, id],
    queryFn: () => api.json<DictationDetail>(`/api/dictations/${encodeURIComponent(id ?? "")}`),
    enabled: id !== null,
  });
}
