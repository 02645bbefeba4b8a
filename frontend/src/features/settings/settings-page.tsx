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
    <div className="h-full overflow-y-auto">
      <header className="sticky top-0 z-10 flex h-14 items-center gap-2 border-b border-line bg-page/90 px-3 backdrop-blur sm:px-5">
        <SidebarButton />
        <h1 className="text-base font-semibold">{t("settings.title")}</h1>
      </header>
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
  );
}
