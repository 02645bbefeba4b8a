/** All settings on one page. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/settings/store";
import { SidebarButton } from "@/shared/ui/sidebar-button";

import { Section } from "./fields/fields";
import { AppearanceSection } from "./sections/appearance-section";
import { ModelSection } from "./sections/model-section";
import { SpeechSection } from "./sections/speech-section";

interface SettingsPageProps {
  /** What the dictation brings: the choice of a microphone, and its test. */
  microphone: ReactNode;
  /** What accounts bring; null on a server without. */
  account: ReactNode;
}

export function SettingsPage({ microphone, account }: SettingsPageProps) {
  const { t } = useTranslation();
  const [, change] = useSettings();
  return (
    <section aria-label={t("settings.title")} className="flex min-h-0 flex-1 flex-col">
      <header className="flex h-14 shrink-0 items-center gap-1 border-b border-line px-2 sm:px-4">
        <SidebarButton />
        <h1 className="px-1 text-sm font-semibold">{t("settings.title")}</h1>
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto max-w-3xl space-y-5 p-4 pb-16 sm:p-6">
          <AppearanceSection />
          <SpeechSection microphone={microphone} />
          <ModelSection />
          {account !== null && <Section title={t("settings.account")}>{account}</Section>}
          <div className="flex flex-wrap gap-3">
            <button type="button" className="button" onClick={() => change({ guided: false })}>
              {t("settings.again")}
            </button>
            <a className="button" href="/docs">
              {t("settings.apiDocs")}
            </a>
          </div>
        </div>
      </div>
    </section>
  );
}
