/** The conversations, page by page, without those that are about to be deleted; and how to change them. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import { api } from "@/shared/api/client";
import { otherPages } from "@/shared/api/other-pages";
import { queryClient } from "@/shared/api/query-client";
import { keys } from "@/shared/api/query-keys";
import { session } from "@/shared/api/session";
import type { Conversation } from "@/shared/api/types";
import { beforeLeaving } from "@/shared/lib/leaving";
import { toasts } from "@/shared/ui/toasts";

import { PendingDeletions } from "../deletions/pending-deletions";
import { page } from "./pages";

const FIRST = "/api/conversations?limit=50";

const deletions = new PendingDeletions(async (id, atOnce) => {
  if (atOnce) {
    const token = await session.token();
    const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
    await fetch(`/api/conversations/${id}`, { method: "DELETE", keepalive: true, headers });
    otherPages.tell(id);
    return;
  }
  await api.response(`/api/conversations/${id}`, { method: "DELETE" });
  otherPages.tell(id);
  await queryClient.invalidateQueries({ queryKey: keys.conversations });
});

export function useConversations() {
  const query = useInfiniteQuery({
    queryKey: keys.conversations,
    queryFn: ({ pageParam, signal }) => page<Conversation>(pageParam, signal),
    initialPageParam: FIRST,
    getNextPageParam: (last) => last.next,
  });
  const hidden = useSyncExternalStore(deletions.subscribe, deletions.hidden);
  const conversations = useMemo(() => {
    const all = query.data?.pages.flatMap((each) => each.items) ?? [];
    // One that changed while pages were read may stand on two of them.
    const once = new Map(all.map((conversation) => [conversation.id, conversation]));
    return [...once.values()].filter((conversation) => !hidden.has(conversation.id));
  }, [query.data, hidden]);
  return { ...query, conversations, hidden };
}

/** Delete with the chance to undo; `leave` is called if the page shows it. */
export function useDeletion(): (conversation: { id: string; title: string }) => void {
  const { t } = useTranslation();
  useEffect(() => {
    const flush = (): void => void deletions.flush();
    addEventListener("pagehide", flush);
    const stay = beforeLeaving(() => deletions.flush());
    return () => {
      removeEventListener("pagehide", flush);
      stay();
    };
  }, []);
  return ({ id, title }) => {
    deletions.add(id, () => toasts.show({ text: t("history.notDeleted", { title }), tone: "error" }));
    toasts.show({
      text: t("history.deleted", { title }),
      tone: "info",
      action: { label: t("common.undo"), run: () => deletions.undo(id) },
      stayMs: deletions.undoMs,
    });
  };
}

export function useRename() {
  const { t } = useTranslation();
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, title }: { id: string; title: string }) =>
      api.json<Conversation>(`/api/conversations/${id}`, { method: "PATCH", body: { title } }),
    onSuccess: async (_, { id }) => {
      otherPages.tell(id);
      await client.invalidateQueries({ queryKey: keys.conversations });
      await client.invalidateQueries({ queryKey: keys.conversation(id) });
    },
    onError: () => toasts.show({ text: t("history.notRenamed"), tone: "error" }),
  });
}
