/** "Better hearing": what turns speech into text, and what could do it too. */
import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";

import { useSpeechEngines } from "@/shared/api/providers";
import { Section } from "@/shared/ui/fields";

import { MissingProviders, WorkingProviders } from "./providers";

const CheckpointList = lazy(() => import("./checkpoint-list"));

export function HearingSection() {
  const { t } = useTranslation();
  const engines = useSpeechEngines();
  return (
    <Section title={t("settings.hearing")}>
      <WorkingProviders title={t("settings.engines")} query={engines} />
      <Suspense fallback={null}>
        <CheckpointList kind="whisper" />
      </Suspense>
      <MissingProviders title={t("settings.hearingMissing")} query={engines} />
    </Section>
  );
}
