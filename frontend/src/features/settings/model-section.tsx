/** What answers: the model of new conversations, and the models that can answer now. */
import { useTranslation } from "react-i18next";

import { useModelChoices } from "@/shared/api/model-choices";
import { useLanguageModels } from "@/shared/api/providers";
import { useSettings } from "@/shared/services";
import { Choice, Section } from "@/shared/ui/fields";

import { WorkingProviders } from "./providers";

export function ModelSection() {
  const { t } = useTranslation();
  return (
    <Section title={t("settings.models")}>
      <ModelChoice />
      <WorkingProviders title={t("settings.providers")} query={useLanguageModels()} />
    </Section>
  );
}

/** The model of new conversations. A chosen one that the server has no more is listed too. */
export function ModelChoice() {
  const { t } = useTranslation();
  const [{ chatModel }, change] = useSettings();
  const { defaultName, groups, assistants, goneName } = useModelChoices(chatModel);
  const options: (readonly [string, string])[] = [
    ["", t("settings.chosenByServer", { name: defaultName })],
    ...groups.flatMap(({ label, models }) => models.map(([id, name]) => [id, `${name} (${label})`] as const)),
    ...assistants.map(({ id, title }) => [id, title] as const),
  ];
  if (goneName !== null) options.push([chatModel, goneName]);
  return (
    <Choice
      label={t("settings.model")}
      value={chatModel}
      options={options}
      onChange={(id) => change({ chatModel: id })}
    />
  );
}
