/** "Connect another model": what could answer too, and what each needs for it. */
import { lazy, type ReactNode, Suspense } from "react";
import { useTranslation } from "react-i18next";

import { useLanguageModels } from "@/shared/api/providers";
import { Section } from "@/shared/ui/fields";
import { WithCode } from "@/shared/ui/notice";

import { MissingProviders } from "./providers";

const CheckpointList = lazy(() => import("./checkpoint-list"));

export function ConnectSection({ connections }: { connections: ReactNode }) {
  const { t } = useTranslation();
  return (
    <Section title={t("settings.connect")}>
      {connections}
      <p className="text-sm text-muted">
        <WithCode text={t("settings.connectHint")} />
      </p>
      <Suspense fallback={null}>
        <CheckpointList kind="gguf" />
      </Suspense>
      <MissingProviders title={t("settings.connectMissing")} query={useLanguageModels()} />
    </Section>
  );
}
