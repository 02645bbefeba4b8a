/** "Connect another model": what could answer too, and what each needs for it. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useLanguageModels } from "@/shared/api/providers";
import { Section } from "@/shared/ui/fields";
import { lazyPart } from "@/shared/ui/lazy-part";
import { WithCode } from "@/shared/ui/notice";

import { MissingProviders } from "./providers";

const CheckpointList = lazyPart(async () => (await import("./checkpoint-list")).default);

export function ConnectSection({ connections }: { connections: ReactNode }) {
  const { t } = useTranslation();
  return (
    <Section title={t("settings.connect")}>
      {connections}
      <p className="text-sm text-muted">
        <WithCode text={t("settings.connectHint")} />
      </p>
      <CheckpointList kind="gguf" />
      <MissingProviders title={t("settings.connectMissing")} query={useLanguageModels()} />
    </Section>
  );
}
