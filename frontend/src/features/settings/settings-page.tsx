/** The page of all settings, a section for each subject; what few people need is at its end. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/services";
import { Section, Switch } from "@/shared/ui/fields";
import { PageHeader } from "@/shared/ui/page-header";

import { AppearanceSection } from "./appearance-section";
import { ConnectSection } from "./connect-section";
import { ExportSection } from "./export-section";
import { HearingSection } from "./hearing-section";
import { ModelSection } from "./model-section";
import { SpeechSection } from "./speech-section";

interface SettingsPageProps {
  /** The choice of a microphone with its test. */
  microphone: ReactNode;
  /** The models that the user has connected; null for who may connect none. */
  connections?: ReactNode;
  /** The user's shared links. */
  shares?: ReactNode;
  /** Conversations of other products. */
  importing?: ReactNode;
  /** The account's API keys; null on a server without accounts. */
  account: ReactNode;
}

export function SettingsPage({
  microphone,
  connections = null,
  shares = null,
  importing = null,
  account,
}: SettingsPageProps) {
  const { t } = useTranslation();
  return (
    <section aria-label={t("settings.title")} className="flex min-h-0 flex-1 flex-col">
      <PageHeader>
        <h1 className="px-1 text-sm font-semibold">{t("settings.title")}</h1>
      </PageHeader>
      <div className="relative min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto max-w-3xl space-y-5 p-4 pb-16 sm:p-6">
          <SpeechSection microphone={microphone} />
          <HearingSection />
          <ModelSection />
          <ConnectSection connections={connections} />
          <AppearanceSection />
          {shares !== null && <Section title={t("share.links")}>{shares}</Section>}
          <ExportSection />
          {importing}
          {account !== null && <Section title={t("settings.account")}>{account}</Section>}
          <MoreSection />
        </div>
      </div>
    </section>
  );
}

/** For whoever wants to look inside, or builds on the server. */
function MoreSection() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  return (
    <Section title={t("settings.more")}>
      <Switch
        label={t("settings.timing")}
        hint={t("settings.timingHint")}
        checked={settings.showsTiming}
        onChange={(showsTiming) => change({ showsTiming })}
      />
      <Switch
        label={t("settings.mocks")}
        hint={t("settings.mocksHint")}
        checked={settings.showsMocks}
        onChange={(showsMocks) => change({ showsMocks })}
      />
      <div className="flex flex-wrap gap-3">
        <button type="button" className="button" onClick={() => change({ guided: false })}>
          {t("settings.again")}
        </button>
        <a className="button" href="/docs">
          {t("settings.apiDocs")}
        </a>
      </div>
    </Section>
  );
}
