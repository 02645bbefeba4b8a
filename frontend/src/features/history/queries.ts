/** What the sidebar and the dictations page ask the server, and how conversations are renamed. */
import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";

import type { ApiClient } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type { Conversation, SearchHit, StoredDictation, StoredDictationDetail } from "@/shared/api/types";
import { useServices } from "@/shared/services";

const FIRST_CONVERSATIONS = "/api/conversations?limit=50";
const FIRST_DICTATIONS = "/api/dictations";
/** How long typing must pause before a search is sent. */
const SEARCH_PAUSE_MS = 200;
const LONGEST_SEARCH_CHARS = 500;

/** One page of a list. */
interface ListPage<T> {
  items: T[];
  /** Path of the next page; null after the last. */
  next: string | null;
}

async function fetchPage<T>(api: ApiClient, path: string, signal: AbortSignal): Promise<ListPage<T>> {
  const response = await api.response(path, { signal });
  return { items: (await response.json()) as T[], next: parseNextLink(response.headers.get("Link")) };
}

/** The address in `</api/…>; rel="next"`. */
export function parseNextLink(link: string | null): string | null {
  return /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1] ?? null;
}

export function useConversations(hidden: ReadonlySet<string>) {
  const { api } = useServices();
  const query = useInfiniteQuery({
    queryKey: keys.conversations,
    queryFn: ({ pageParam, signal }) => fetchPage<Conversation>(api, pageParam, signal),
    initialPageParam: FIRST_CONVERSATIONS,
    getNextPageParam: (last) => last.next,
  });
  const conversations = useMemo(() => {
    const all = query.data?.pages.flatMap((page) => page.items) ?? [];
    // A conversation that changed between two requests may be on two pages.
    const unique = new Map(all.map((conversation) => [conversation.id, conversation]));
    return [...unique.values()].filter((conversation) => !hidden.has(conversation.id));
  }, [query.data, hidden]);
  return { ...query, conversations };
}

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

export function useStoredDictations() {
  const { api } = useServices();
  return useInfiniteQuery({
    queryKey: keys.dictations,
    queryFn: ({ pageParam, signal }) => fetchPage<StoredDictation>(api, pageParam, signal),
    initialPageParam: FIRST_DICTATIONS,
    getNextPageParam: (last) => last.next,
  });
}

export function useStoredDictation(id: string) {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.dictation(id),
    queryFn: () => api.json<StoredDictationDetail>(`/api/dictations/${encodeURIComponent(id)}`),
  });
}
