/** The first visit: who listens, who answers, and whether one is heard. */
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/settings/store";
import { Modal } from "@/shared/ui/modal";

import { EngineStep, ModelStep } from "./guide-steps";

const TITLES = ["settings.guideEngine", "settings.guideModel", "settings.guideMicrophone"] as const;

export function Guide({ microphone }: { microphone: ReactNode }) {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const [step, setStep] = useState(0);
  if (settings.guided) return null;
  const end = () => {
    change({ guided: true });
    setStep(0);
  };
  const last = step === TITLES.length - 1;
  return (
    <Modal title={t("settings.guideTitle")} onClose={end}>
      <div className="mb-4 flex items-center gap-3">
        <span
          aria-hidden
          className="grid size-8 shrink-0 place-items-center rounded-full bg-brand text-sm font-semibold text-white"
        >
          {step + 1}
        </span>
        <h3 className="font-semibold">{t(TITLES[step] ?? TITLES[0])}</h3>
        <span className="ml-auto text-xs text-muted">
          {t("settings.guideStep", { step: step + 1, steps: TITLES.length })}
        </span>
      </div>
      <div className="min-h-52 space-y-4 text-sm" aria-live="polite">
        {step === 0 && <EngineStep />}
        {step === 1 && <ModelStep />}
        {step === 2 && microphone}
      </div>
      <div className="mt-6 flex items-center gap-2">
        <span className="mr-auto">
          {!last && (
            <button type="button" className="button-quiet" onClick={end}>
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
          onClick={last ? end : () => setStep(step + 1)}
        >
          {t(last ? "settings.start" : "settings.next")}
        </button>
      </div>
    </Modal>
  );
}
