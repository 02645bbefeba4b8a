/** Deleting conversations with a chance to undo: one list of pending deletions for the whole page. */
import { createContext, useContext, useEffect, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import { keys } from "@/shared/api/queries";
import { type Services, useServices } from "@/shared/services";

import { forgetConversation, type KnownConversations } from "./known-conversations";
import { PendingDeletions } from "./pending-deletions";

export const DeletionsContext = createContext<PendingDeletions | null>(null);

export function createDeletions({ api, queryClient, session, tabs }: Services): PendingDeletions {
  return new PendingDeletions(async (id, isPageClosing) => {
    const path = `/api/conversations/${id}`;
    if (isPageClosing) {
      const token = await session.token();
      const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
      await fetch(path, { method: "DELETE", keepalive: true, headers });
      tabs.announce(id);
      return;
    }
    await api.response(path, { method: "DELETE" });
    tabs.announce(id);
    queryClient.setQueryData<KnownConversations>(
      keys.conversations,
      (known) => known && forgetConversation(known, id),
    );
    await queryClient.invalidateQueries({ queryKey: keys.conversations });
  });
}

function useDeletions(): PendingDeletions {
  const deletions = useContext(DeletionsContext);
  if (deletions === null) throw new Error("useDeletions needs a DeletionsContext around it");
  return deletions;
}

/** The ids of conversations that are deleted, or will be unless that is undone. */
export function useHiddenConversations(): ReadonlySet<string> {
  const deletions = useDeletions();
  return useSyncExternalStore(deletions.subscribe, deletions.hidden);
}

/** A function that deletes a conversation and offers to undo it; `onUndone` is called once it is undone. */
export function useDeleteConversation(): (
  conversation: { id: string; title: string },
  onUndone: () => void,
) => void {
  const { t } = useTranslation();
  const { session, toasts } = useServices();
  const deletions = useDeletions();
  useEffect(() => {
    const flush = (): void => void deletions.flush();
    addEventListener("pagehide", flush);
    const removeTask = session.beforeLogOut(() => deletions.flush());
    return () => {
      removeEventListener("pagehide", flush);
      removeTask();
    };
  }, [deletions, session]);
  return ({ id, title }, onUndone) => {
    deletions.add(id, () => toasts.show({ text: t("history.notDeleted", { title }), tone: "error" }));
    toasts.show({
      text: t("history.deleted", { title }),
      tone: "info",
      action: { label: t("common.undo"), run: () => deletions.undo(id) && onUndone() },
      stayMs: deletions.undoMs,
    });
  };
}
