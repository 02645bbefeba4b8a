/** Reads, creates and deletes the user's API keys. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import type { ApiError } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type { ApiKey, NewApiKey } from "@/shared/api/types";
import { useServices } from "@/shared/services";

export type KeyScope = "stt" | "llm" | "chat";

interface KeyRequest {
  name: string;
  scopes: KeyScope[];
  expires_days: number | null;
}

export function useApiKeys() {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.apiKeys,
    queryFn: ({ signal }) => api.json<ApiKey[]>("/api/keys", { signal }),
  });
}

export function useCreateKey() {
  const { api } = useServices();
  const client = useQueryClient();
  return useMutation<NewApiKey, ApiError, KeyRequest>({
    mutationFn: (body) => api.json<NewApiKey>("/api/keys", { method: "POST", makes: true, body }),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.apiKeys }),
    gcTime: 0, // The secret of a new key is forgotten once its form is closed.
  });
}

export function useDeleteKey() {
  const { api } = useServices();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => api.response(`/api/keys/${id}`, { method: "DELETE" }),
    onSettled: () => client.invalidateQueries({ queryKey: keys.apiKeys }),
  });
}
