/** "Better hearing": what turns speech into text, and what could do it too. */
import { useTranslation } from "react-i18next";

import { useSpeechEngines } from "@/shared/api/providers";
import { Section } from "@/shared/ui/fields";
import { lazyPart } from "@/shared/ui/lazy-part";

import { MissingProviders, WorkingProviders } from "./providers";

const CheckpointList = lazyPart(async () => (await import("./checkpoint-list")).default);

export function HearingSection() {
  const { t } = useTranslation();
  const engines = useSpeechEngines();
  return (
    <Section title={t("settings.hearing")}>
      <WorkingProviders title={t("settings.engines")} query={engines} />
      <CheckpointList kind="whisper" />
      <MissingProviders title={t("settings.hearingMissing")} query={engines} />
    </Section>
  );
}
