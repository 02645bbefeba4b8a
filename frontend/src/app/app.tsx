/** The root of the app: creates what lives as long as the page; services and routes are around it. */
import i18next from "i18next";
import { Component, type ReactNode, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { Router } from "wouter";
import { useHashLocation } from "wouter/use-hash-location";

import { Gate } from "@/features/accounts/gate";
import { Attachments, AttachmentsContext } from "@/features/attachments/attachments-context";
import { AnswersContext, createAnswers } from "@/features/chat/answers-context";
import type { AnswerStore } from "@/features/chat/stream/answer-store";
import {
  createDictation,
  DictationContext,
  type DictationParts,
} from "@/features/dictation/dictation-context";
import { createDeletions, DeletionsContext } from "@/features/history/deletions-context";
import type { PendingDeletions } from "@/features/history/pending-deletions";
import { chooseLanguage, startI18n } from "@/i18n/i18n";
import { createServices, type Services, ServicesProvider, useServices, useSettings } from "@/shared/services";
import { followSystem, showLook } from "@/shared/theme/show-look";
import { Toaster } from "@/shared/ui/toaster";

import { useNewVersion } from "./new-version";
import { Shell } from "./shell";

/** What lives as long as the page. */
export interface AppRoot {
  services: Services;
  dictation: DictationParts;
  answers: AnswerStore;
  attachments: Attachments;
  deletions: PendingDeletions;
}

export function createAppRoot(): AppRoot {
  const services = createServices();
  return {
    services,
    dictation: createDictation(services),
    answers: createAnswers(services),
    attachments: new Attachments(services),
    deletions: createDeletions(services),
  };
}

/** Pages have addresses behind a #, so that none can collide with a route of the server. */
export function App({ root }: { root: AppRoot }) {
  return (
    <ServicesProvider services={root.services}>
      <DictationContext value={root.dictation}>
        <AnswersContext value={root.answers}>
          <AttachmentsContext value={root.attachments}>
            <DeletionsContext value={root.deletions}>
              <Appearance />
              <Router hook={useHashLocation}>
                <ErrorBoundary>
                  <Gate>
                    <Shell />
                  </Gate>
                </ErrorBoundary>
              </Router>
              <Toaster />
            </DeletionsContext>
          </AttachmentsContext>
        </AnswersContext>
      </DictationContext>
    </ServicesProvider>
  );
}

const MISSING_LANGUAGE_MS = 60_000;

/** Applies theme and language, and offers a new version of the page. */
function Appearance() {
  const [settings] = useSettings();
  const { theme, contrast, uiLanguage } = settings;
  useNewVersion();
  useEffect(() => followSystem({ theme, contrast }), [theme, contrast]);
  useEffect(() => void showLook(settings), [settings]);
  useChosenLanguage(uiLanguage);
  return null;
}

/** Applies the chosen language; one whose texts do not load is said, and can be tried again. */
function useChosenLanguage(uiLanguage: string): void {
  const { toasts } = useServices();
  useEffect(() => {
    const apply = (): Promise<void> =>
      startI18n(chooseLanguage(uiLanguage, navigator.languages)).catch(() => {
        toasts.show({
          text: i18next.t("common.languageMissing"),
          tone: "error",
          action: { label: i18next.t("common.retry"), run: () => void apply() },
          stayMs: MISSING_LANGUAGE_MS,
        });
      });
    void apply();
  }, [uiLanguage, toasts]);
}

/** Shows a sentence and a button where a component has failed, instead of an empty page. */
class ErrorBoundary extends Component<{ children: ReactNode }, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override render() {
    return this.state.hasFailed ? <FailurePage /> : this.props.children;
  }
}

function FailurePage() {
  const { t } = useTranslation();
  return (
    <div role="alert" className="grid h-full place-items-center p-4">
      <div className="flex flex-col items-center gap-4 text-center">
        <p>{t("common.somethingFailed")}</p>
        <button type="button" className="button-brand" onClick={() => location.reload()}>
          {t("common.reload")}
        </button>
      </div>
    </div>
  );
}
