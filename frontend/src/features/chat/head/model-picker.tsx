/** Who answers: one of the models that the server knows now, and the chosen one even where it is gone. */
import { useTranslation } from "react-i18next";

import { useModels } from "../queries";

export function ModelPicker({ model, onChoose }: { model: string; onChoose: (model: string) => void }) {
  const { t } = useTranslation();
  const { data, isError } = useModels();
  const models = data ?? [];
  const isGone = model !== "" && !models.includes(model);
  return (
    <select
      aria-label={t("chat.model")}
      title={isError ? t("chat.modelsFailed") : t("chat.model")}
      className="field-sizing h-9 min-w-0 max-w-[7.5rem] cursor-pointer truncate rounded-lg bg-transparent px-2 text-sm text-muted hover:bg-raised hover:text-ink sm:max-w-[16rem]"
      value={model}
      onChange={(event) => onChoose(event.target.value)}
    >
      <option value="">{t("chat.modelDefault")}</option>
      {isGone && <option value={model}>{nameOf(model)}</option>}
      {[...grouped(models)].map(([provider, ids]) => (
        <optgroup key={provider} label={provider}>
          {ids.map((id) => (
            <option key={id} value={id}>
              {nameOf(id)}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  );
}

/** Ids are `provider/model`, or a provider's name. */
const nameOf = (id: string): string => id.slice(id.indexOf("/") + 1);

function grouped(models: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const id of models) {
    const provider = id.split("/", 1)[0] ?? id;
    groups.set(provider, [...(groups.get(provider) ?? []), id]);
  }
  return groups;
}
