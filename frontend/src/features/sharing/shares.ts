/** Reads, makes and revokes the links by which the user shows conversations to others. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { ApiError } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type { Share, ShareRequest } from "@/shared/api/types";
import { useServices } from "@/shared/services";

export const DAY_S = 24 * 3600;
/** How long a link may open (s); null: until it is revoked. */
export const LIFETIMES_S = [DAY_S, 7 * DAY_S, 30 * DAY_S, null] as const;

export function useShares() {
  const { api } = useServices();
  return useQuery<Share[], ApiError>({
    queryKey: keys.shares,
    queryFn: ({ signal }) => api.json<Share[]>("/api/shares", { signal }),
    gcTime: 0, // addresses that open a conversation are not kept longer than they are shown
  });
}

export function useMakeShare() {
  const { api } = useServices();
  const client = useQueryClient();
  return useMutation<Share, ApiError, ShareRequest>({
    mutationFn: (body) => api.json<Share>("/api/shares", { method: "POST", makes: true, body }),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.shares }),
    gcTime: 0,
  });
}

export function useRevokeShare(id: string) {
  const { api } = useServices();
  const client = useQueryClient();
  return useMutation<unknown, ApiError>({
    mutationFn: async () => {
      try {
        await api.response(`/api/shares/${id}`, { method: "DELETE" });
      } catch (error) {
        // It was revoked elsewhere, or went with its conversation.
        if (!(error instanceof ApiError) || error.code !== "not_found") throw error;
      }
    },
    onSettled: () => client.invalidateQueries({ queryKey: keys.shares }),
  });
}

/** The conversation as Markdown, as its export has it. */
export function useMarkdown(conversationId: string) {
  const { api } = useServices();
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const timezone = timeZone === "Etc/Unknown" ? "UTC" : timeZone; // how a browser says that it does not know
  return async (): Promise<string> => {
    const query = new URLSearchParams({ format: "markdown", timezone });
    return await (await api.response(`/api/conversations/${conversationId}/export?${query}`)).text();
  };
}
