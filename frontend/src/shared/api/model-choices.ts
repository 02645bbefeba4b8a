/** What can be chosen to answer, by the names that people say. */
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";

import { mayAnswer, nameModel, nameModels } from "../lib/model-names";
import { nameGroup, nameWhat } from "../lib/provider-names";
import { useSettings } from "../services";
import {
  isUsable,
  leaveOutConnected,
  providerOf,
  useAssistants,
  useModelIds,
  useProviderList,
} from "./providers";
import type { LlmProvider } from "./types";

/** Models of one provider, under the name of the place that they are at. */
interface Group {
  provider: string;
  label: string;
  models: readonly (readonly [id: string, name: string])[];
}

/**
 * What can be chosen: what can answer now, and what is chosen. Test engines are offered on request.
 *
 * @param model the id that is chosen; "" for the server's choice
 */
export function useModelChoices(model: string) {
  const { t } = useTranslation();
  const [{ showsMocks }] = useSettings();
  const { data: ids = [] } = useModelIds();
  const providers = useProviderList().data?.items;
  const assistants = useAssistants();
  const isAssistant = new Set(assistants.map(({ id }) => id));
  const isMock = new Set(providers?.filter(({ type }) => type === "mock").map(({ name }) => name));
  const kept = new Set(leaveOutConnected(providers ?? []));
  const isDouble = new Set(providers?.filter((item) => !kept.has(item)).map(({ name }) => name));
  const isOffered = (id: string): boolean =>
    mayAnswer(id) && !isDouble.has(providerOf(id)) && (showsMocks || !isMock.has(providerOf(id)));
  const models = ids.filter((id) => !isAssistant.has(id) && (id === model || isOffered(id)));
  const isKnown = model === "" || models.includes(model) || isAssistant.has(model);
  return {
    defaultName: nameDefault(t, providers),
    groups: groupByProvider(t, models, providers),
    assistants: assistants.filter((assistant) => isUsable(assistant) || assistant.id === model),
    goneName: isKnown ? null : nameModel(model),
  };
}

/** What answers where nothing is chosen: the header shows it. */
function nameDefault(t: TFunction, providers: readonly LlmProvider[] | undefined): string {
  const chosen = providers?.find((item) => item.chosen);
  if (chosen === undefined) return t("chat.modelDefault");
  return chosen.type === "mock" ? t("names.noModel") : nameWhat(t, chosen);
}

function groupByProvider(
  t: TFunction,
  ids: readonly string[],
  providers: readonly LlmProvider[] | undefined,
): Group[] {
  const byProvider = groupIds(ids);
  return [...byProvider].map(([provider, own]) => {
    const item = providers?.find(({ name }) => name === provider);
    const names = nameModels(own);
    return {
      provider,
      label: item ? nameGroup(t, item) : nameModel(provider),
      models: own.map((id) => [id, names.get(id) ?? id] as const),
    };
  });
}

function groupIds(ids: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const id of ids) groups.set(providerOf(id), [...(groups.get(providerOf(id)) ?? []), id]);
  return groups;
}
