/** All conversations as files. */
import { useTranslation } from "react-i18next";

import { ExportForm } from "@/shared/ui/export-form";
import { Section } from "@/shared/ui/fields";

export function ExportSection() {
  const { t } = useTranslation();
  return (
    <Section title={t("exports.title")}>
      <p className="text-sm text-muted">{t("exports.about")}</p>
      <ExportForm what="all" />
    </Section>
  );
}
