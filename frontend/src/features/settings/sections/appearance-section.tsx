/** Theme and language of the page. */
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/settings/store";

import { Section, Segments } from "../fields/fields";

export function AppearanceSection() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  return (
    <Section title={t("settings.appearance")}>
      <Segments
        label={t("settings.theme")}
        value={settings.theme}
        options={[
          ["dark", t("settings.dark")],
          ["light", t("settings.light")],
          ["system", t("settings.system")],
        ]}
        onChange={(theme) => change({ theme })}
      />
      <Segments
        label={t("settings.uiLanguage")}
        value={settings.uiLanguage}
        options={[
          ["", t("settings.browserLanguage")],
          ["en", "English"],
          ["es", "Español"],
        ]}
        onChange={(uiLanguage) => change({ uiLanguage })}
      />
    </Section>
  );
}
