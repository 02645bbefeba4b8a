/** The speech engines, language models and assistants of the server, with their states. */
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { useServices } from "../services";
import { keys } from "./queries";
import type { LlmProvider, ProviderState, SttProvider } from "./types";

/** How often a list is read again while one of its providers is loading. */
const LOADING_POLL_MS = 2000;
const MODELS_STALE_MS = 10_000;

interface ProvidersResponse<T> {
  items: T[];
}

function pollWhileLoading(list: ProvidersResponse<{ status: ProviderState }> | undefined): number | false {
  return list?.items.some((item) => item.status === "loading") ? LOADING_POLL_MS : false;
}

export function useSpeechEngines() {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.speechEngines,
    queryFn: ({ signal }) => api.json<ProvidersResponse<SttProvider>>("/providers/stt", { signal }),
    refetchInterval: (query) => pollWhileLoading(query.state.data),
  });
}

export function useLanguageModels() {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.languageModels,
    queryFn: ({ signal }) => api.json<ProvidersResponse<LlmProvider>>("/providers/llm", { signal }),
    refetchInterval: (query) => pollWhileLoading(query.state.data),
  });
}

/** The ids that a conversation can name: `provider/model`, a provider, or an assistant. */
export function useModelIds() {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.models,
    queryFn: ({ signal }) => api.json<string[]>("/api/models", { signal }),
    staleTime: MODELS_STALE_MS,
  });
}

/** The assistants, ready or not; none where the list cannot be read. */
export function useAssistants(): readonly Assistant[] {
  const { data } = useProviderList();
  return useMemo(() => listAssistants(data?.items), [data]);
}

/** The providers of language models as they were some seconds ago: for names, not for states. */
export function useProviderList() {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.languageModels,
    queryFn: ({ signal }) => api.json<ProvidersResponse<LlmProvider>>("/providers/llm", { signal }),
    staleTime: MODELS_STALE_MS,
  });
}

/** A language model with tools. */
export interface Assistant {
  /** The id that a conversation names it by. */
  id: string;
  title: string;
  description: string;
  status: ProviderState;
  /** What to do where it is not ready, as a code and in the server's words for whoever runs it. */
  note: LlmProvider["note"];
  hint: string;
}

export function listAssistants(providers: readonly LlmProvider[] | undefined): Assistant[] {
  return (providers ?? []).flatMap(({ name, status, description, note, assistant }) =>
    assistant === null || assistant === undefined
      ? []
      : [
          {
            id: name,
            title: assistant.title,
            description: assistant.description,
            status,
            note,
            hint: description,
          },
        ],
  );
}

/** What answers in a conversation, ready or not. */
export interface Answering extends Assistant {
  isAssistant: boolean;
  /** Null for an assistant. */
  provider: LlmProvider | null;
}

/** What answers to a model's id, where that is known; an empty id stands for the server's choice. */
function findAnswering(model: string, providers: readonly LlmProvider[] | undefined): Answering | null {
  const assistant = listAssistants(providers).find(({ id }) => id === model);
  if (assistant) return { ...assistant, isAssistant: true, provider: null };
  const found = providers?.find((item) =>
    model === "" ? item.chosen : item.name === model || model.startsWith(`${item.name}/`),
  );
  if (!found || found.assistant) return null;
  const { name, status, description, note } = found;
  return {
    id: name,
    title: name,
    description: "",
    status,
    note,
    hint: description,
    isAssistant: false,
    provider: found,
  };
}

export function useAnswering(model: string): Answering | null {
  const { data } = useProviderList();
  return useMemo(() => findAnswering(model, data?.items), [model, data]);
}

/** The provider that the id of a model begins with. */
export const providerOf = (id: string): string => id.split("/", 1)[0] ?? id;

const OWN = "my.";

/** Without the servers on this machine that the user has connected too: those would be there twice. */
export function leaveOutConnected<P extends { name: string }>(items: readonly P[]): P[] {
  const isHere = (item: P): boolean => !("host" in item && item.host);
  const connected = new Set(
    items.filter((item) => item.name.startsWith(OWN) && isHere(item)).map(({ name }) => name),
  );
  return items.filter((item) => !(isHere(item) && connected.has(OWN + item.name)));
}

/** Whether a provider answers now, or as soon as it has loaded. */
export function isUsable({ status }: { status: ProviderState }): boolean {
  return status === "ready" || status === "loading";
}

/** Whether `echo` is the only language model. Assistants do not count: they need a model themselves. */
export function isEchoOnly(ids: readonly string[], assistants: readonly Assistant[]): boolean {
  const assistantIds = new Set(assistants.map(({ id }) => id));
  return ids.every((id) => id === "echo" || id.startsWith("echo/") || assistantIds.has(id));
}

/** The text that names each state of a provider or an assistant. */
export const STATE_TEXTS = {
  ready: "settings.stateReady",
  loading: "settings.stateLoading",
  not_installed: "settings.stateNotInstalled",
  not_configured: "settings.stateNotConfigured",
  no_model: "settings.stateNoModel",
  unauthorized: "settings.stateUnauthorized",
  unreachable: "settings.stateUnreachable",
} as const satisfies Record<ProviderState, string>;
