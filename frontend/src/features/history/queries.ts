/** What the sidebar and the dictations page ask the server, and how conversations are renamed. */
import {
  keepPreviousData,
  type QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import type { ApiClient } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type {
  Conversation,
  DictationVersion,
  SearchHit,
  StoredDictation,
  StoredDictationDetail,
} from "@/shared/api/types";
import { useServices } from "@/shared/services";

import { appendPage, type KnownConversations, mergeFirstPage } from "./known-conversations";

/** More than a screen. */
export const FIRST_PAGE = 50;
/** Further pages are larger: they come before the reader does. */
const NEXT_PAGE = 100;
const FIRST_CONVERSATIONS = `/api/conversations?limit=${FIRST_PAGE}`;
const FIRST_DICTATIONS = "/api/dictations";
/** How long typing must pause before a search is sent. */
const SEARCH_PAUSE_MS = 200;
const LONGEST_SEARCH_CHARS = 500;

/** One page of a list. */
interface ListPage<T> {
  items: T[];
  /** Path of the next page; null after the last. */
  next: string | null;
  /** How many there are in all; null where the server did not say. */
  total: number | null;
}

async function fetchPage<T>(api: ApiClient, path: string, signal?: AbortSignal): Promise<ListPage<T>> {
  const response = await api.response(path, signal ? { signal } : {});
  const total = response.headers.get("X-Total-Count");
  return {
    items: (await response.json()) as T[],
    next: parseNextLink(response.headers.get("Link")),
    total: total === null ? null : Number(total),
  };
}

/** The address in `</api/…>; rel="next"`. */
export function parseNextLink(link: string | null): string | null {
  return /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1] ?? null;
}

/** The list of conversations as far as it is known, and a function that reads on. */
export function useConversations(hidden: ReadonlySet<string>) {
  const { api, queryClient } = useServices();
  const query = useQuery({
    queryKey: keys.conversations,
    queryFn: ({ signal }) => refreshConversations(api, queryClient, signal),
  });
  const more = useMutation({ mutationFn: () => readOn(api, queryClient) });
  const known = query.data;
  const conversations = useMemo(
    () => (known?.items ?? []).filter((conversation) => !hidden.has(conversation.id)),
    [known, hidden],
  );
  const hiddenCount = (known?.items.length ?? 0) - conversations.length;
  const total = known?.total ?? null;
  return {
    conversations,
    /** How many there are on the server; null where it did not say. */
    total: total === null ? null : total - hiddenCount,
    isPending: query.isPending,
    isError: query.isError,
    refetch: query.refetch,
    hasMore: known !== undefined && known.next !== null,
    readMore: more.mutate,
    isReadingMore: more.isPending,
    hasFailedToRead: more.isError,
  };
}

/** Read the first page, and more only where it does not explain what has changed. */
async function refreshConversations(
  api: ApiClient,
  queryClient: QueryClient,
  signal: AbortSignal,
): Promise<KnownConversations> {
  const first = await fetchPage<Conversation>(api, FIRST_CONVERSATIONS, signal);
  const known = queryClient.getQueryData<KnownConversations>(keys.conversations);
  const merged = known === undefined ? first : mergeFirstPage(known, first);
  if (merged !== null) return merged;
  let read: KnownConversations = first;
  while (read.next !== null && read.items.length < (known?.items.length ?? 0))
    read = appendPage(read, await fetchPage(api, enlargePage(read.next), signal));
  return read;
}

async function readOn(api: ApiClient, queryClient: QueryClient): Promise<void> {
  const next = queryClient.getQueryData<KnownConversations>(keys.conversations)?.next ?? null;
  if (next === null) return;
  const page = await fetchPage<Conversation>(api, enlargePage(next));
  queryClient.setQueryData<KnownConversations>(keys.conversations, (known) =>
    known?.next === next ? appendPage(known, page) : known,
  );
}

const enlargePage = (path: string): string => path.replace(/limit=\d+/, `limit=${NEXT_PAGE}`);

export function useRename() {
  const { t } = useTranslation();
  const { api, tabs, toasts } = useServices();
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, title }: { id: string; title: string }) =>
      api.json<Conversation>(`/api/conversations/${id}`, { method: "PATCH", body: { title } }),
    onSuccess: async (_, { id }) => {
      tabs.announce(id);
      await client.invalidateQueries({ queryKey: keys.conversations });
      await client.invalidateQueries({ queryKey: keys.conversation(id) });
    },
    onError: () => toasts.show({ text: t("history.notRenamed"), tone: "error" }),
  });
}

/** Search titles, messages and dictations when typing pauses. */
export function useSearch(typed: string) {
  const { api } = useServices();
  const words = useDebounced(typed.trim(), SEARCH_PAUSE_MS).slice(0, LONGEST_SEARCH_CHARS);
  const query = useQuery({
    queryKey: keys.search(words),
    queryFn: ({ signal }) =>
      api.json<SearchHit[]>(`/api/search?limit=100&q=${encodeURIComponent(words)}`, { signal }),
    enabled: words !== "",
    placeholderData: keepPreviousData,
  });
  return { ...query, words };
}

/** The value, once it has stayed the same for `delayMs`. */
function useDebounced<T>(value: T, delayMs: number): T {
  const [debounced, setDebounced] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setDebounced(value), delayMs);
    return () => clearTimeout(timer);
  }, [value, delayMs]);
  return debounced;
}

/** How often a dictation that goes on is read again. */
const GOING_ON_MS = 2000;

/** Whether its text or its sound may still change by itself. */
export function isGoingOn({ state }: Pick<StoredDictation, "state">): boolean {
  return state === "recording" || state === "heard";
}

export function useStoredDictations() {
  const { api } = useServices();
  return useInfiniteQuery({
    queryKey: keys.dictations,
    queryFn: ({ pageParam, signal }) => fetchPage<StoredDictation>(api, pageParam, signal),
    initialPageParam: FIRST_DICTATIONS,
    getNextPageParam: (last) => last.next,
    refetchInterval: ({ state }) =>
      state.data?.pages.some((page) => page.items.some(isGoingOn)) ? GOING_ON_MS : false,
  });
}

export function useStoredDictation(id: string) {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.dictation(id),
    queryFn: () => api.json<StoredDictationDetail>(`/api/dictations/${encodeURIComponent(id)}`),
    refetchInterval: ({ state }) => (state.data && isGoingOn(state.data) ? GOING_ON_MS : false),
  });
}

/** What was heard live, then each time it was heard again. */
export function useDictationVersions(id: string) {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.dictationVersions(id),
    queryFn: ({ signal }) =>
      api.json<DictationVersion[]>(`/api/dictations/${encodeURIComponent(id)}/versions`, { signal }),
    refetchInterval: ({ state }) =>
      state.data?.some(({ status }) => status === "working") ? GOING_ON_MS : false,
  });
}
