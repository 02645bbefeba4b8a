/** What is said of a file that is on its way, and of one that could not be attached. */
import { useCallback } from "react";
import { useTranslation } from "react-i18next";

import { wordError } from "@/shared/lib/notes";

import type { AttachedFile, FileProblem } from "./attached";

/** Problems that this page words itself: the server also writes for programs. */
const OWN_PROBLEMS = {
  gone: "attachments.problems.gone",
  no_words: "attachments.problems.noWords",
  file_too_big: "attachments.problems.tooBig",
} as const;

export function useFileTexts() {
  const { t } = useTranslation();
  const wordProblem = useCallback(
    (problem: FileProblem): string => {
      const own = OWN_PROBLEMS[problem.code as keyof typeof OWN_PROBLEMS] as
        (typeof OWN_PROBLEMS)[keyof typeof OWN_PROBLEMS] | undefined;
      return own === undefined ? wordError(t, problem) : t(own, problem.note?.params ?? {});
    },
    [t],
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
