/** The speech engines, providers of models and models that the server has, with their states. */
import { useQuery } from "@tanstack/react-query";

import { api } from "@/shared/api/client";
import { keys } from "@/shared/api/query-keys";
import type { LlmProvider, ProviderState, SttProvider } from "@/shared/api/types";

/** Something that is loading is looked at again by itself. */
const LOADING_AGAIN_MS = 2000;

interface Listed<T> {
  items: T[];
}

const again = (list: Listed<{ status: ProviderState }> | undefined) =>
  list?.items.some((item) => item.status === "loading") ? LOADING_AGAIN_MS : false;

export function useSpeechEngines() {
  return useQuery({
    queryKey: keys.speechEngines,
    queryFn: ({ signal }) => api.json<Listed<SttProvider>>("/providers/stt", { signal }),
    refetchInterval: (query) => again(query.state.data),
  });
}

export function useLanguageModels() {
  return useQuery({
    queryKey: keys.languageModels,
    queryFn: ({ signal }) => api.json<Listed<LlmProvider>>("/providers/llm", { signal }),
    refetchInterval: (query) => again(query.state.data),
  });
}

export function useModelIds() {
  return useQuery({
    queryKey: keys.models,
    queryFn: ({ signal }) => api.json<string[]>("/api/models", { signal }),
    staleTime: 60_000,
  });
}
