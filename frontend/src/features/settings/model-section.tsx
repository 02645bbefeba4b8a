/** What answers: the model of new conversations, and the models that can answer now. */
import { useTranslation } from "react-i18next";

import { useLanguageModels, useModelIds } from "@/shared/api/providers";
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
  const [settings, change] = useSettings();
  const { data: ids = [] } = useModelIds();
  const all = settings.chatModel === "" ? ids : [...new Set([...ids, settings.chatModel])];
  return (
    <Choice
      label={t("settings.model")}
      value={settings.chatModel}
      options={[["", t("settings.serverChoice")], ...all.map((id) => [id, id] as const)]}
      onChange={(chatModel) => change({ chatModel })}
    />
  );
}
