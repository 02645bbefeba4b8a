/** How speech is heard and understood. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/settings/store";

import { Choice, Section, Switch } from "../fields/fields";
import { KeyField } from "../fields/key-field";
import { spokenLanguages } from "../fields/languages";
import { VocabularyField } from "../fields/vocabulary-field";
import { ProviderSection } from "../providers/provider-section";
import { useSpeechEngines } from "../providers/use-providers";

const PROFILES = [
  ["", "settings.profileServer"],
  ["command", "settings.profileCommand"],
  ["conversation", "settings.profileConversation"],
  ["dictation", "settings.profileDictation"],
  ["hands_free", "settings.profileHandsFree"],
  ["manual", "settings.profileManual"],
] as const;

/** `microphone`: the choice of a device and its test, which the dictation brings. */
export function SpeechSection({ microphone }: { microphone: ReactNode }) {
  const { t, i18n } = useTranslation();
  const [settings, change] = useSettings();
  const engines = useSpeechEngines();
  const items = engines.data?.items ?? [];
  const chosen = items.find((item) =>
    settings.sttProvider === "" ? item.default : item.name === settings.sttProvider,
  );
  const languages = spokenLanguages(
    chosen?.capabilities.languages ?? null,
    settings.speechLang,
    i18n.language,
  );
  const names = items.filter((item) => item.name !== "auto").map((item) => item.name);
  const inUse = items.find((item) => item.default)?.name;
  const serverChoice =
    inUse === undefined ? t("settings.serverChoice") : t("settings.engineNow", { name: inUse });
  const engineNames = settings.sttProvider === "" ? names : [...new Set([...names, settings.sttProvider])];
  return (
    <Section title={t("settings.speech")}>
      <Choice
        label={t("settings.speechLang")}
        value={settings.speechLang}
        options={[
          ["auto", t("settings.autoLang")],
          ...languages.map(({ tag, name }) => [tag, name] as const),
        ]}
        onChange={(speechLang) => change({ speechLang })}
      />
      <Choice
        label={t("settings.engine")}
        value={settings.sttProvider}
        options={[["", serverChoice], ...engineNames.map((name) => [name, name] as const)]}
        onChange={(sttProvider) => change({ sttProvider, sttModel: "" })}
        {...(chosen && chosen.status !== "ready" ? { hint: chosen.description } : {})}
      />
      {settings.sttProvider !== "" && chosen !== undefined && chosen.models.length > 0 && (
        <Choice
          label={t("settings.engineModel")}
          value={settings.sttModel}
          options={[["", t("settings.engineChoice")], ...chosen.models.map((name) => [name, name] as const)]}
          onChange={(sttModel) => change({ sttModel })}
        />
      )}
      <Choice
        label={t("settings.profile")}
        value={settings.endpointing}
        options={PROFILES.map(([key, text]) => [key, t(text)] as const)}
        onChange={(endpointing) => change({ endpointing })}
      />
      <VocabularyField />
      {microphone}
      <Switch
        label={t("settings.echo")}
        checked={settings.echoCancellation}
        onChange={(echoCancellation) => change({ echoCancellation })}
      />
      <Switch
        label={t("settings.noise")}
        checked={settings.noiseSuppression}
        onChange={(noiseSuppression) => change({ noiseSuppression })}
      />
      <KeyField />
      <Switch
        label={t("settings.autoSend")}
        hint={t("settings.autoSendHint")}
        checked={settings.autoSend}
        onChange={(autoSend) => change({ autoSend })}
      />
      <ProviderSection title={t("settings.engines")} query={engines} />
    </Section>
  );
}
