/** The choice of a model or assistant. A chosen one that the server has no more is listed too. */
import { useTranslation } from "react-i18next";

import { useModelChoices } from "@/shared/api/model-choices";
import { useModelIds } from "@/shared/api/providers";

export function ModelPicker({ model, onChoose }: { model: string; onChoose: (model: string) => void }) {
  const { t } = useTranslation();
  const { isError } = useModelIds();
  const { defaultName, groups, assistants, goneName } = useModelChoices(model);
  return (
    <select
      aria-label={t("chat.model")}
      title={isError ? t("chat.modelsFailed") : t("chat.model")}
      className="field-sizing h-target min-w-0 max-w-[8rem] cursor-pointer truncate rounded-lg bg-transparent px-2 text-sm text-muted hover:bg-raised hover:text-ink sm:max-w-[16rem]"
      value={model}
      onChange={(event) => onChoose(event.target.value)}
    >
      <optgroup label={t("chat.modelDefault")}>
        <option value="">{defaultName}</option>
      </optgroup>
      {goneName !== null && <option value={model}>{goneName}</option>}
      {groups.map(({ provider, label, models }) => (
        <optgroup key={provider} label={label}>
          {models.map(([id, name]) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </optgroup>
      ))}
      {assistants.length > 0 && (
        <optgroup label={t("tools.assistants")}>
          {assistants.map(({ id, title, description }) => (
            <option key={id} value={id}>
              {description ? t("tools.option", { title, description }) : title}
            </option>
          ))}
        </optgroup>
      )}
    </select>
  );
}
