/** What has become of a stored dictation, in the words of a person. */
import { useTranslation } from "react-i18next";

import type { StoredDictation } from "@/shared/api/types";
import { chooseLocale } from "@/shared/lib/formats";

/** Nothing is said of one that is over and has text alone: that is what a dictation is. */
export function DictationState({ dictation }: { dictation: Pick<StoredDictation, "state" | "audio"> }) {
  const { t, i18n } = useTranslation();
  const { state, audio } = dictation;
  if (state === "final" && !audio) return null;
  const look = state === "interrupted" ? "text-warn" : state === "recording" ? "text-accent" : "";
  const until = audio
    ? new Date(audio.until).toLocaleString(chooseLocale(i18n.language), {
        dateStyle: "medium",
        timeStyle: "short",
      })
    : "";
  return (
    <span className={look} data-testid="dictation-state-text">
      {state !== "final" && state !== "kept" && t(`history.dictations.states.${state}`)}
      {audio && t("history.dictations.withSound", { until })}
    </span>
  );
}
