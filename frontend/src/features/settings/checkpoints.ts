/** Weights of the server: the list, the download that is under way, and how well each one hears. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { keys } from "@/shared/api/queries";
import type { Checkpoint, CheckpointList, Fetch } from "@/shared/api/types";
import { useServices } from "@/shared/services";

/** How often the list is read while a download is under way. */
const POLL_MS = 1000;
const PARTS = 1000;

export type Grade = "basic" | "good" | "veryGood" | "excellent" | "best";

/** How well a checkpoint hears, by its words wrong in percent; null where that is not known. */
export function gradeHearing(errorPercent: number | null): Grade | null {
  if (errorPercent === null) return null;
  if (errorPercent > 7) return "basic";
  if (errorPercent > 4) return "good";
  if (errorPercent > 3) return "veryGood";
  return errorPercent > 2.8 ? "excellent" : "best";
}

export function isUnderWay(fetch: Fetch | null | undefined): boolean {
  return fetch?.state === "fetching" || fetch?.state === "measuring";
}

/** Seconds until the download is complete; null where nothing comes. */
export function secondsLeft(fetch: Fetch): number | null {
  if (!fetch.bytes_per_s) return null;
  return Math.ceil((fetch.total_bytes - fetch.done_bytes) / fetch.bytes_per_s);
}

/** A part of a whole, in whole percent; 100 only where nothing is missing. */
export function percentOf(part: number, whole: number): number {
  return whole > 0 ? Math.min(Math.floor((part * 100 * PARTS) / whole / PARTS), 100) : 0;
}

/** The list; while something is fetched it is read again and again, and other lists once it is here. */
export function useCheckpoints() {
  const { api } = useServices();
  const queryClient = useQueryClient();
  const query = useQuery({
    queryKey: keys.checkpoints,
    queryFn: ({ signal }) => api.json<CheckpointList>("/api/checkpoints", { signal }),
    refetchInterval: (each) => (isUnderWay(each.state.data?.fetch) ? POLL_MS : false),
  });
  const state = query.data?.fetch?.state;
  const before = useRef(state);
  useEffect(() => {
    const hasArrived = before.current === "fetching" && (state === "measuring" || state === "done");
    before.current = state;
    if (hasArrived) readEnginesAgain(queryClient);
  }, [state, queryClient]);
  return query;
}

function readEnginesAgain(queryClient: ReturnType<typeof useQueryClient>): void {
  for (const queryKey of [keys.speechEngines, keys.languageModels, keys.models]) {
    void queryClient.invalidateQueries({ queryKey });
  }
}

type Change = "begin" | "cancel" | "remove";

/** Begins or cancels a download, or removes weights; the list follows. */
export function useChangeCheckpoint() {
  const { api } = useServices();
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: ({ name, change }: { name: string; change: Change }) =>
      api.json<unknown>(
        `/api/checkpoints/${encodeURIComponent(name)}${change === "remove" ? "" : "/fetch"}`,
        {
          method: change === "begin" ? "POST" : "DELETE",
        },
      ),
    onSettled: async (_data, _error, { change }) => {
      if (change === "remove") readEnginesAgain(queryClient);
      await queryClient.invalidateQueries({ queryKey: keys.checkpoints });
    },
  });
}

/** What is offered at first: the few to choose among, what is here, and what has been begun. */
export function isOfferedFirst(item: Checkpoint, fetch: Fetch | null): boolean {
  return item.recommended || item.here || item.partial_bytes > 0 || item.name === fetch?.name;
}
