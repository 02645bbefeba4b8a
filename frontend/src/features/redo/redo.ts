/** Asks the server to hear a dictation again, follows how far it is, and lists what can be chosen for it. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";

import { ApiError } from "@/shared/api/client";
import { isUsable } from "@/shared/api/providers";
import { keys } from "@/shared/api/queries";
import type { DictationVersion, DictationVersionDetail, SttProvider } from "@/shared/api/types";
import { useServices } from "@/shared/services";

/** How often is asked how far a version is. */
const FOLLOW_MS = 700;

/** What to hear a dictation with. Empty texts are the server's choice. */
export interface RedoChoice {
  provider: string;
  model: string;
  /** Empty: any language. */
  lang: string;
  vocabulary: readonly string[];
}

/** Begin a version of a dictation, and end one that is being made. */
export function useRedo(dictationId: string) {
  const { api, queryClient } = useServices();
  const path = `/api/dictations/${encodeURIComponent(dictationId)}`;
  const refresh = () => queryClient.invalidateQueries({ queryKey: keys.dictations });
  const begin = useMutation<DictationVersion, Error, RedoChoice>({
    mutationFn: ({ provider, model, lang, vocabulary }) =>
      api.json<DictationVersion>(`${path}/redo`, {
        method: "POST",
        makes: true,
        body: { provider: provider || null, model: model || null, lang: lang || "auto", vocabulary },
      }),
  });
  const version = useVersion(dictationId, begin.data?.id ?? null);
  const end = async (): Promise<void> => {
    const id = begin.data?.id;
    begin.reset();
    if (id !== undefined) await api.response(`${path}/versions/${id}`, { method: "DELETE" });
    await refresh();
  };
  const isOver = version.data !== undefined && version.data.status !== "working";
  useEffect(() => {
    if (isOver) void refresh();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once, at the end
  }, [isOver]);
  return { begin, version, end };
}

function useVersion(dictationId: string, id: string | null) {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.dictationVersion(dictationId, id ?? ""),
    queryFn: ({ signal }) =>
      api.json<DictationVersionDetail>(
        `/api/dictations/${encodeURIComponent(dictationId)}/versions/${id ?? ""}`,
        { signal },
      ),
    enabled: id !== null,
    // A server that is away for a moment goes on with it, or says that it does not.
    retry: (_, error) => !(error instanceof ApiError && error.status === 404),
    refetchInterval: ({ state }) =>
      state.data === undefined || state.data.status === "working" ? FOLLOW_MS : false,
  });
}

/** An engine with one of its models, as one choice. */
export interface EngineChoice {
  provider: string;
  /** Empty: the engine's own choice. */
  model: string;
  engine: SttProvider;
}

/** The engines that are ready, each with its models; those for tests only where they are shown. */
export function listEngineChoices(engines: readonly SttProvider[], showsMocks: boolean): EngineChoice[] {
  return engines
    .filter((engine) => isUsable(engine) && (showsMocks || engine.type !== "mock"))
    .flatMap((engine) => {
      const models = engine.models.length > 0 ? engine.models : [""];
      return models.map((model) => ({ provider: engine.name, model, engine }));
    });
}

/**
 * The language to offer first: another one of those that the person speaks, since a wrong language is what
 * most often goes wrong; else the same.
 */
export function suggestLanguage(heard: string | null, spoken: readonly string[], page: string): string {
  const primary = heard?.split("-")[0] ?? "";
  const others = [...spoken, page].filter((tag) => tag.split("-")[0] !== primary);
  return others[0] ?? heard ?? "";
}
