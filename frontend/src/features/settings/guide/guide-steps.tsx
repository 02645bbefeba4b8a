/** The first two steps of the guide: the speech engine, and the model. */
import { useTranslation } from "react-i18next";

import { assistantsOf, isEchoOnly } from "@/shared/lib/assistants";
import { useSettings } from "@/shared/settings/store";
import { WithCode } from "@/shared/ui/with-code";

import { Choice } from "../fields/fields";
import { spokenLanguages } from "../fields/languages";
import { ProviderList } from "../providers/provider-list";
import { useLanguageModels, useModelIds, useSpeechEngines } from "../providers/use-providers";
import { ModelChoice } from "../sections/model-section";

export function EngineStep() {
  const { t, i18n } = useTranslation();
  const [settings, change] = useSettings();
  const engines = useSpeechEngines();
  const items = engines.data?.items ?? [];
  const inUse = items.find((item) => item.default);
  const real = items.filter((item) => item.type !== "mock" && item.name !== "auto");
  const usable = real.filter((item) => item.status === "ready");
  if (engines.isPending) return <p>{t("common.loading")}</p>;
  if (inUse === undefined || !["ready", "loading"].includes(inUse.status)) {
    return (
      <>
        <p>{t(usable.length > 0 ? "settings.guideEngineOther" : "settings.guideEngineMissing")}</p>
        {usable.length > 0 && (
          <Choice
            label={t("settings.engine")}
            value={settings.sttProvider}
            options={[["", t("settings.serverChoice")], ...usable.map(({ name }) => [name, name] as const)]}
            onChange={(sttProvider) => change({ sttProvider, sttModel: "" })}
          />
        )}
        <ProviderList label={t("settings.engines")} items={real} />
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
        options={[
          ["auto", t("settings.autoLang")],
          ...languages.map(({ tag, name }) => [tag, name] as const),
        ]}
        onChange={(speechLang) => change({ speechLang })}
      />
    </>
  );
}

export function ModelStep() {
  const { t } = useTranslation();
  const { data: ids } = useModelIds();
  const providers = useLanguageModels().data?.items;
  const inUse = providers?.find((item) => item.default);
  const onlyEcho = ids !== undefined && isEchoOnly(ids, assistantsOf(providers));
  return (
    <>
      {!onlyEcho && inUse && (
        <ProviderList label={t("settings.guideModelReady", { name: inUse.name })} items={[inUse]} />
      )}
      {onlyEcho && (
        <div className="rounded-xl border border-line p-4 text-muted">
          <p className="text-ink">{t("settings.echoModel")}</p>
          <p className="mt-2">
            <WithCode text={t("settings.connectHint")} />
          </p>
        </div>
      )}
      <ModelChoice />
    </>
  );
}
