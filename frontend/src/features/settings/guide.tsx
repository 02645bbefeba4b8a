/** The guide of the first visit: the speech engine, the language model, the microphone. */
import { ChevronRight, Infinity as HandsFreeIcon } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import {
  isEchoOnly,
  isUsable,
  listAssistants,
  providerOf,
  useLanguageModels,
  useModelIds,
  useSpeechEngines,
} from "@/shared/api/providers";
import { nameProvider, nameWhat } from "@/shared/lib/provider-names";
import { useSettings } from "@/shared/services";
import { Choice } from "@/shared/ui/fields";
import { lazyPart } from "@/shared/ui/lazy-part";
import { Modal } from "@/shared/ui/modal";
import { WithCode } from "@/shared/ui/notice";

import { ModelChoice } from "./model-section";
import { ProviderList } from "./providers";
import { SpokenLanguages } from "./spoken-languages";

const CheckpointList = lazyPart(async () => (await import("./checkpoint-list")).default);

const TITLES = ["settings.guideEngine", "settings.guideModel", "settings.guideMicrophone"] as const;

interface GuideProps {
  microphone: ReactNode;
  /** A button that connects another model. */
  connect?: ReactNode;
}

export function Guide({ microphone, connect }: GuideProps) {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const [step, setStep] = useState(0);
  if (settings.guided) return null;
  const finish = () => {
    change({ guided: true });
    setStep(0);
  };
  const isLast = step === TITLES.length - 1;
  return (
    <Modal title={t("settings.guideTitle")} onClose={finish}>
      <div className="mb-4 flex items-center gap-3">
        <span
          aria-hidden
          className="grid size-8 shrink-0 place-items-center rounded-full bg-brand text-sm font-semibold text-on-fill"
        >
          {step + 1}
        </span>
        <h3 className="font-semibold">{t(TITLES[step] ?? TITLES[0])}</h3>
        <span className="ml-auto text-xs text-muted">
          {t("settings.guideStep", { step: step + 1, steps: TITLES.length })}
        </span>
      </div>
      <div className="settings min-h-52 space-y-4 text-sm" aria-live="polite">
        {step === 0 && (
          <>
            <p className="flex items-start gap-3 rounded-xl border border-line p-3">
              <HandsFreeIcon size={20} aria-hidden className="shrink-0 text-accent" />
              {t("handsFree.guide")}
            </p>
            <EngineStep />
          </>
        )}
        {step === 1 && <ModelStep connect={connect} />}
        {step === 2 && microphone}
      </div>
      <div className="mt-6 flex flex-wrap items-center gap-2">
        <span className="mr-auto">
          {!isLast && (
            <button type="button" className="button-quiet" onClick={finish}>
              {t("settings.skip")}
            </button>
          )}
        </span>
        {step > 0 && (
          <button type="button" className="button" onClick={() => setStep(step - 1)}>
            {t("settings.back")}
          </button>
        )}
        <button
          type="button"
          data-first
          className="button-brand"
          onClick={isLast ? finish : () => setStep(step + 1)}
        >
          {t(isLast ? "settings.start" : "settings.next")}
        </button>
      </div>
    </Modal>
  );
}

function EngineStep() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const engines = useSpeechEngines();
  const items = engines.data?.items ?? [];
  const inUse = items.find((item) => item.default);
  const real = items.filter((item) => item.type !== "mock" && item.name !== "auto");
  const usable = real.filter((item) => item.status === "ready");
  if (engines.isPending) return <p>{t("common.loading")}</p>;
  if (inUse === undefined || !isUsable(inUse)) {
    return (
      <>
        <p>{t(usable.length > 0 ? "settings.guideEngineOther" : "settings.guideEngineMissing")}</p>
        {usable.length > 0 && (
          <Choice
            label={t("settings.engine")}
            value={settings.sttProvider}
            options={[
              ["", t("settings.serverChoice")],
              ...usable.map((item) => [item.name, nameProvider(t, item)] as const),
            ]}
            onChange={(sttProvider) => change({ sttProvider, sttModel: "" })}
          />
        )}
        <ProviderList label={t("settings.engines")} items={real} />
        <BetterHearing />
      </>
    );
  }
  const text = inUse.status === "ready" ? "settings.guideEngineReady" : "settings.guideEngineLoading";
  return (
    <>
      <ProviderList label={t(text, { name: nameWhat(t, inUse) })} items={[inUse]} />
      <SpokenLanguages supported={inUse.capabilities.languages} />
      <BetterHearing />
    </>
  );
}

/** What could hear better, folded until somebody wants it. */
function BetterHearing() {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="group/better" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="button-quiet min-h-11 w-fit cursor-pointer list-none [&::-webkit-details-marker]:hidden">
        <ChevronRight
          size={16}
          aria-hidden
          className="shrink-0 transition-transform group-open/better:rotate-90"
        />
        {t("settings.hearing")}
      </summary>
      {isOpen && <CheckpointList kind="whisper" />}
    </details>
  );
}

function ModelStep({ connect }: Pick<GuideProps, "connect">) {
  const { t } = useTranslation();
  const [{ chatModel }] = useSettings();
  const { data: ids } = useModelIds();
  const providers = useLanguageModels().data?.items;
  const inUse =
    providers?.find((item) => item.name === providerOf(chatModel)) ?? providers?.find((item) => item.chosen);
  const onlyEcho = ids !== undefined && isEchoOnly(ids, listAssistants(providers));
  return (
    <>
      {!onlyEcho && inUse && (
        <ProviderList
          label={t(isUsable(inUse) ? "settings.guideModelReady" : "settings.guideModelMissing", {
            name: nameWhat(t, inUse),
          })}
          items={[inUse]}
        />
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
      {connect}
    </>
  );
}
