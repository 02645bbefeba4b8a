/** One's API keys on the server. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api } from "@/shared/api/client";
import type { ApiError } from "@/shared/api/errors";
import { keys } from "@/shared/api/query-keys";
import type { Key, NewKey } from "@/shared/api/types";

export type KeyScope = "stt" | "llm" | "chat";

interface Wish {
  name: string;
  scopes: KeyScope[];
  expires_days: number | null;
}

export function useKeys() {
  return useQuery({
    queryKey: keys.apiKeys,
    queryFn: ({ signal }) => api.json<Key[]>("/api/keys", { signal }),
  });
}

export function useMakeKey() {
  const client = useQueryClient();
  return useMutation<NewKey, ApiError, Wish>({
    mutationFn: (body) => api.json<NewKey>("/api/keys", { method: "POST", body }),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.apiKeys }),
    gcTime: 0, // The key itself is kept nowhere once its form is closed.
  });
}

export function useDeleteKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.response(`/api/keys/${id}`, { method: "DELETE" }),
    onSettled: () => client.invalidateQueries({ queryKey: keys.apiKeys }),
  });
}
