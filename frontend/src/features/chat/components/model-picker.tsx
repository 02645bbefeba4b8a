/** The choice of a model or assistant. A chosen one that the server has no more is listed too. */
import { useTranslation } from "react-i18next";

import {
  type Assistant,
  STATE_TEXTS,
  useAssistants,
  useConnectionTitles,
  useModelIds,
} from "@/shared/api/providers";

export function ModelPicker({ model, onChoose }: { model: string; onChoose: (model: string) => void }) {
  const { t } = useTranslation();
  const { data, isError } = useModelIds();
  const assistants = useAssistants();
  const titles = useConnectionTitles();
  const assistantIds = new Set(assistants.map(({ id }) => id));
  const models = (data ?? []).filter((id) => !assistantIds.has(id));
  const isGone = model !== "" && !models.includes(model) && !assistantIds.has(model);
  return (
    <select
      aria-label={t("chat.model")}
      title={isError ? t("chat.modelsFailed") : t("chat.model")}
      className="field-sizing h-9 min-w-0 max-w-[7.5rem] cursor-pointer truncate rounded-lg bg-transparent px-2 text-sm text-muted hover:bg-raised hover:text-ink sm:max-w-[16rem]"
      value={model}
      onChange={(event) => onChoose(event.target.value)}
    >
      <option value="">{t("chat.modelDefault")}</option>
      {isGone && <option value={model}>{modelName(model)}</option>}
      {assistants.length > 0 && (
        <optgroup label={t("tools.assistants")}>
          {assistants.map((assistant) => (
            <AssistantOption key={assistant.id} assistant={assistant} />
          ))}
        </optgroup>
      )}
      {[...groupByProvider(models)].map(([provider, ids]) => (
        <optgroup key={provider} label={titles.get(provider) ?? provider}>
          {ids.map((id) => (
            <option key={id} value={id}>
              {modelName(id)}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  );
}

/** An assistant that is not ready can be chosen: the page then says what to do. */
function AssistantOption({ assistant }: { assistant: Assistant }) {
  const { t } = useTranslation();
  const { id, title, description, status } = assistant;
  const name = status === "ready" ? title : t("tools.optionState", { title, state: t(STATE_TEXTS[status]) });
  return <option value={id}>{description ? t("tools.option", { title: name, description }) : name}</option>;
}

/** Ids are `provider/model`, or the name of a provider. */
const modelName = (id: string): string => id.slice(id.indexOf("/") + 1);

function groupByProvider(models: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const id of models) {
    const provider = id.split("/", 1)[0] ?? id;
    groups.set(provider, [...(groups.get(provider) ?? []), id]);
  }
  return groups;
}
