/** The settings of language models: the model of new conversations, and where models come from. */
import { useTranslation } from "react-i18next";

import { useLanguageModels, useModelIds } from "@/shared/api/providers";
import { useSettings } from "@/shared/services";
import { Choice, Section } from "@/shared/ui/fields";
import { WithCode } from "@/shared/ui/notice";

import { ProviderSection } from "./providers";

export function ModelSection() {
  const { t } = useTranslation();
  const providers = useLanguageModels();
  return (
    <Section title={t("settings.models")}>
      <ModelChoice />
      <ProviderSection title={t("settings.providers")} query={providers} />
      <p className="text-sm text-muted">
        <WithCode text={t("settings.connectHint")} />
      </p>
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
