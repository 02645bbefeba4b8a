/** What is said of a file that is on its way, and of one that could not be attached. */
import { useCallback } from "react";
import { useTranslation } from "react-i18next";

import { formatBytes } from "@/shared/lib/formats";
import { wordError } from "@/shared/lib/notes";

import type { AttachedFile, FileProblem } from "./attached";

/** Problems that this page words itself: the server also writes for programs. */
const OWN_PROBLEMS = {
  gone: "attachments.problems.gone",
  no_words: "attachments.problems.noWords",
  message_too_big: "attachments.problems.tooLarge",
} as const;

export function useFileTexts() {
  const { t, i18n } = useTranslation();
  const { language } = i18n;
  const wordProblem = useCallback(
    (problem: FileProblem): string => {
      const own = OWN_PROBLEMS[problem.code as keyof typeof OWN_PROBLEMS] as
        (typeof OWN_PROBLEMS)[keyof typeof OWN_PROBLEMS] | undefined;
      if (own !== undefined) return t(own);
      const most = problem.note?.params?.["most_bytes"];
      if (typeof most === "number")
        return t("attachments.problems.tooBig", { most: formatBytes(most, language) });
      return wordError(t, problem);
    },
    [t, language],
  );
  const wordState = useCallback(
    ({ state, kind, purpose }: AttachedFile): string => {
      switch (state.kind) {
        case "waiting":
          return t("attachments.waiting");
        case "sending":
          return t("attachments.sending", { percent: Math.round(state.part * 100) });
        case "lost":
          return t("attachments.lost");
        case "reading":
          if (purpose === "dictate") return t("attachments.writing");
          return t(kind === "audio" || kind === "video" ? "attachments.listening" : "attachments.reading");
        case "ready":
          return t("attachments.ready");
        case "failed":
          return wordProblem(state.problem);
      }
    },
    [t, wordProblem],
  );
  return { wordState };
}
