/** Who answers. */
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/settings/store";
import { WithCode } from "@/shared/ui/with-code";

import { Choice, Section } from "../fields/fields";
import { ProviderSection } from "../providers/provider-section";
import { useLanguageModels, useModelIds } from "../providers/use-providers";

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

/** The model of new conversations; one that is gone stays to be seen. */
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
