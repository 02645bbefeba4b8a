/** What answers: the model of new conversations, the models that can answer now, and assistants. */
import { Bot } from "lucide-react";
import { useTranslation } from "react-i18next";

import { useModelChoices } from "@/shared/api/model-choices";
import { isUsable, listAssistants, useLanguageModels } from "@/shared/api/providers";
import { useSettings } from "@/shared/services";
import { Choice, Section } from "@/shared/ui/fields";
import { WithCode } from "@/shared/ui/notice";

import { WorkingProviders } from "./providers";

export function ModelSection() {
  const { t } = useTranslation();
  const models = useLanguageModels();
  const hasAssistant = listAssistants(models.data?.items).some(isUsable);
  return (
    <Section title={t("settings.models")}>
      <ModelChoice />
      <WorkingProviders title={t("settings.providers")} query={models} />
      {models.data !== undefined && !hasAssistant && <NoAssistants />}
    </Section>
  );
}

/** What an assistant is; how one is made concerns only whoever runs the server. */
function NoAssistants() {
  const { t } = useTranslation();
  return (
    <div className="flex gap-3 rounded-xl border border-dashed border-line p-4 text-sm">
      <Bot size={20} aria-hidden className="shrink-0 text-accent" />
      <div className="min-w-0">
        <p className="font-medium">{t("tools.none.title")}</p>
        <p className="mt-1 text-muted">{t("tools.none.text")}</p>
        <details className="mt-1 text-muted">
          <summary className="flex min-h-11 w-fit cursor-pointer items-center">
            {t("tools.none.begin")}
          </summary>
          <p className="break-words leading-6">
            <WithCode text={t("tools.none.steps")} />
          </p>
        </details>
      </div>
    </div>
  );
}

/** The model of new conversations. A chosen one that the server has no more is listed too. */
export function ModelChoice() {
  const { t } = useTranslation();
  const [{ chatModel }, change] = useSettings();
  const { defaultName, groups, assistants, goneName } = useModelChoices(chatModel);
  const options: (readonly [string, string])[] = [
    ["", t("settings.chosenByServer", { name: defaultName })],
    ...groups.flatMap(({ label, models }) => models.map(([id, name]) => [id, `${name} (${label})`] as const)),
    ...assistants.map(({ id, title }) => [id, title] as const),
  ];
  if (goneName !== null) options.push([chatModel, goneName]);
  return (
    <Choice
      label={t("settings.model")}
      value={chatModel}
      options={options}
      onChange={(id) => change({ chatModel: id })}
    />
  );
}
