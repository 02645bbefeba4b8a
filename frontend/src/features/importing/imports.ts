/** Imports of conversations: begun with a file, followed to their end, cancelled, taken from the list. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { keys } from "@/shared/api/queries";
import type { Import } from "@/shared/api/types";
import { createUuid } from "@/shared/lib/uuid";
import { useServices } from "@/shared/services";

const PATH = "/api/import";
/** How often the list is read while an import is under way. */
const POLL_MS = 1000;

export const isUnderWay = ({ state }: Import): boolean => state === "waiting" || state === "working";

/** A part of a whole, in whole percent; null where the whole is not known. */
export function percentOf(done: number, total: number | null): number | null {
  if (total === null) return null;
  return total === 0 ? 100 : Math.min(Math.floor((done * 100) / total), 100);
}

/**
 * The user's imports, the newest first. Conversations are listed again as they come, and at the end.
 * Then what is shown of one is read again, too: it may have new messages and files.
 */
export function useImports() {
  const { api } = useServices();
  const queryClient = useQueryClient();
  const query = useQuery({
    queryKey: keys.imports,
    queryFn: ({ signal }) => api.json<Import[]>(PATH, { signal }),
    refetchInterval: (each) => (each.state.data?.some(isUnderWay) ? POLL_MS : false),
  });
  const progress = query.data?.map(({ id, state, done }) => `${id} ${state} ${done}`).join();
  const isBusy = query.data?.some(isUnderWay) ?? false;
  const before = useRef(progress);
  useEffect(() => {
    const hasChanged = before.current !== undefined && before.current !== progress;
    before.current = progress;
    if (!hasChanged) return;
    void queryClient.invalidateQueries({ queryKey: keys.conversations });
    if (isBusy) return;
    for (const queryKey of [keys.eachConversation, keys.allMessages])
      void queryClient.invalidateQueries({ queryKey });
  }, [progress, isBusy, queryClient]);
  return query;
}

/** Sends a file; its import goes on in the background. */
export function useBeginImport() {
  const { api } = useServices();
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (file: File) => {
      const form = new FormData();
      form.set("file", file, file.name);
      return api.json<Import>(PATH, { method: "POST", form, headers: { "Idempotency-Key": createUuid() } });
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey: keys.imports }),
  });
}

/** Cancels an import that is under way, or takes one that has ended from the list. */
export function useRemoveImport() {
  const { api } = useServices();
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.json<unknown>(`${PATH}/${encodeURIComponent(id)}`, { method: "DELETE" }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keys.imports }),
  });
}
