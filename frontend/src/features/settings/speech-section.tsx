/** The settings of speech: language, engine, end of an utterance, microphone. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { SILENCE_MS } from "@/shared/api/endpointing";
import { isUsable, useSpeechEngines } from "@/shared/api/providers";
import type { SttProvider } from "@/shared/api/types";
import { nameFromIdentifier } from "@/shared/lib/model-names";
import { wordNote } from "@/shared/lib/notes";
import { nameProvider, nameWhat } from "@/shared/lib/provider-names";
import { ENDPOINTING_PROFILES, type EndpointingProfile } from "@/shared/lib/settings";
import { useSettings } from "@/shared/services";
import { Choice, Section, Switch } from "@/shared/ui/fields";

import { KeptAudioSwitch } from "./kept-audio-switch";
import { PushToTalkField, VocabularyField } from "./key-and-vocabulary";
import { SpokenLanguages } from "./spoken-languages";

const PROFILE_TEXTS = {
  "": "settings.profileServer",
  command: "settings.profileCommand",
  conversation: "settings.profileConversation",
  dictation: "settings.profileDictation",
  hands_free: "settings.profileHandsFree",
  manual: "settings.profileManual",
} as const satisfies Record<EndpointingProfile, string>;

/** @param microphone the choice of a microphone with its test */
export function SpeechSection({ microphone }: { microphone: ReactNode }) {
  const { t, i18n } = useTranslation();
  const [settings, change] = useSettings();
  const describeProfile = (profile: EndpointingProfile): string => {
    const silenceMs = profile === "" ? null : SILENCE_MS[profile];
    const seconds = ((silenceMs ?? 0) / 1000).toLocaleString(i18n.language);
    return t(PROFILE_TEXTS[profile], { seconds });
  };
  const engines = useSpeechEngines();
  return (
    <Section title={t("settings.speech")}>
      <EngineFields engines={engines.data?.items ?? []} />
      <Choice
        label={t("settings.profile")}
        value={settings.endpointing}
        options={ENDPOINTING_PROFILES.map((profile) => [profile, describeProfile(profile)] as const)}
        onChange={(endpointing) => change({ endpointing })}
        hint={t("settings.profileHint")}
      />
      <VocabularyField engine={findHearing(engines.data?.items, settings.sttProvider)} />
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
      <PushToTalkField />
      <Switch
        label={t("settings.autoSend")}
        hint={t("settings.autoSendHint")}
        checked={settings.autoSend}
        onChange={(autoSend) => change({ autoSend })}
      />
      <Switch
        label={t("handsFree.readAloud")}
        hint={t("handsFree.readAloudHint")}
        checked={settings.readsAloud}
        onChange={(readsAloud) => change({ readsAloud })}
      />
      <Switch
        label={t("settings.doubt")}
        hint={t("settings.doubtHint")}
        checked={settings.marksDoubt}
        onChange={(marksDoubt) => change({ marksDoubt })}
      />
      <KeptAudioSwitch />
    </Section>
  );
}

/** What hears: the engine that is chosen, else the server's. */
function findHearing(engines: readonly SttProvider[] | undefined, chosen: string): SttProvider | null {
  return engines?.find((engine) => (chosen === "" ? engine.default : engine.name === chosen)) ?? null;
}

/** Spoken language, engine and model: which languages and models are offered depends on the engine. */
function EngineFields({ engines }: { engines: readonly SttProvider[] }) {
  const { t } = useTranslation();
  const [{ sttProvider, sttModel, showsMocks }, change] = useSettings();
  const chosen = findHearing(engines, sttProvider) ?? undefined;
  const inUse = engines.find((engine) => engine.default);
  const offered = engines.filter(
    (engine) => engine.name === sttProvider || (isUsable(engine) && (showsMocks || engine.type !== "mock")),
  );
  const options: (readonly [string, string])[] = [
    ["", inUse ? t("settings.chosenByServer", { name: nameWhat(t, inUse) }) : t("settings.serverChoice")],
    ...offered.map((engine) => [engine.name, nameProvider(t, engine)] as const),
  ];
  if (sttProvider !== "" && chosen === undefined)
    options.push([sttProvider, nameFromIdentifier(sttProvider)]);
  return (
    <>
      <SpokenLanguages supported={chosen?.capabilities.languages ?? null} />
      <Choice
        label={t("settings.engine")}
        value={sttProvider}
        options={options}
        onChange={(name) => change({ sttProvider: name, sttModel: "" })}
        {...(chosen?.note && chosen.status !== "ready" ? { hint: wordNote(t, chosen.note) } : {})}
      />
      {sttProvider !== "" && chosen !== undefined && chosen.models.length > 1 && (
        <Choice
          label={t("settings.engineModel")}
          value={sttModel}
          options={[["", t("settings.engineChoice")], ...chosen.models.map((name) => [name, name] as const)]}
          onChange={(name) => change({ sttModel: name })}
        />
      )}
    </>
  );
}
