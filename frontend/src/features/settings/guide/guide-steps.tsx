/** The first two steps of the guide: the speech engine, and the model. */
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/settings/store";

import { Choice } from "../fields/fields";
import { spokenLanguages } from "../fields/languages";
import { ProviderList, withCode } from "../providers/provider-list";
import { useLanguageModels, useModelIds, useSpeechEngines } from "../providers/use-providers";
import { ModelChoice } from "../sections/model-section";

export function EngineStep() {
  const { t, i18n } = useTranslation();
  const [settings, change] = useSettings();
  const engines = useSpeechEngines();
  const items = engines.data?.items ?? [];
  const inUse = items.find((item) => item.default);
  if (engines.isPending) return <p>{t("common.loading")}</p>;
  if (inUse === undefined || !["ready", "loading"].includes(inUse.status)) {
    return (
      <>
        <p>{t("settings.guideEngineMissing")}</p>
        <ProviderList label={t("settings.engines")} items={items.filter((item) => item.type !== "mock")} />
      </>
    );
  }
  const text = inUse.status === "ready" ? "settings.guideEngineReady" : "settings.guideEngineLoading";
  const languages = spokenLanguages(inUse.capabilities.languages, settings.speechLang, i18n.language);
  return (
    <>
      <ProviderList label={t(text, { name: inUse.name })} items={[inUse]} />
      <Choice
        label={t("settings.speechLang")}
        value={settings.speechLang}
        options={[["auto", t("settings.autoLang")], ...languages.map(({ tag, name }) => [tag, name] as const)]}
        onChange={(speechLang) => change({ speechLang })}
      />
    </>
  );
}

export function ModelStep() {
  const { t } = useTranslation();
  const { data: ids } = useModelIds();
  const inUse = useLanguageModels().data?.items.find((item) => item.default);
  const onlyEcho = ids?.every((id) => id === "echo" || id.startsWith("echo/")) ?? false;
  return (
    <>
      {!onlyEcho && inUse && <ProviderList label={t("settings.guideModelReady", { name: inUse.name })} items={[inUse]} />}
      {onlyEcho && (
        <div className="rounded-xl border border-line p-4 text-muted">
          <p className="text-ink">{t("settings.echoModel")}</p>
          <p className="mt-2">{withCode(t("settings.connectHint"))}</p>
        </div>
      )}
      <ModelChoice />
    </>
  );
}
