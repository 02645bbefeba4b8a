/** The line of hands-free and of reading aloud: how it goes on, or why it ended where nobody ended it. */
import { TriangleAlert, X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import type { Dictation } from "../dictation";
import { useDictationView } from "../dictation-context";
import { isHeard } from "../dictation-state";
import type { HandsFree } from "../hands-free/hands-free";
import type { HandsFreeState } from "../hands-free/turns";
import { useHandsFreeState, useReadingState } from "./use-hands-free";

interface Props {
  dictation: Dictation;
  handsFree: HandsFree;
}

export function HandsFreeStatus({ dictation, handsFree }: Props) {
  const { t } = useTranslation();
  const isListening = isHeard(useDictationView(dictation).state);
  const state = useHandsFreeState(handsFree);
  const reading = useReadingState(handsFree);
  const asking = useSyncExternalStore(handsFree.subscribe, () => handsFree.asking);
  const isReading = reading === "reading" || reading === "held";
  const isOn = state.kind === "on";
  const readingText = handsFree.isMuting
    ? "handsFree.readingHalf"
    : isOn && isListening
      ? "handsFree.reading"
      : "handsFree.readingOnly";
  return (
    <>
      {/* No live region, which would talk over who dictates: what needs the user is an alert elsewhere. */}
      {(isOn || isReading) && (
        <div
          data-testid="hands-free"
          data-turn={isOn ? state.turn.kind : "off"}
          className="flex flex-wrap items-center justify-center gap-x-3 px-2 pt-1 text-center text-xs text-muted"
        >
          {isReading && (
            <>
              <span>{t(readingText)}</span>
              <button
                type="button"
                className="button-quiet min-h-11 text-xs"
                onClick={handsFree.reading.skip}
              >
                {t("handsFree.stopReading")}
              </button>
            </>
          )}
          {isOn && !isReading && asking !== null && (
            <span className="font-medium text-warn">{t("handsFree.asking", { what: asking })}</span>
          )}
          {/* Where nothing is heard, the line of the dictation says why. */}
          {isOn && !isReading && asking === null && (isListening || isDue(state)) && (
            <span>{t(getText(state))}</span>
          )}
        </div>
      )}
      {(reading === "no_voice" || reading === "failed") && (
        <p role="status" className="px-2 pt-1 text-center text-xs text-warn">
          {t(reading === "no_voice" ? "handsFree.noVoice" : "handsFree.voiceFailed")}
        </p>
      )}
      {/* A microphone that failed has said so itself. */}
      {state.kind === "off" && state.reason !== null && state.reason !== "microphone" && (
        <div
          role="alert"
          className="mt-2 flex items-center gap-2 rounded-xl border border-danger/40 bg-danger/10 px-3 py-1 text-sm"
        >
          <TriangleAlert size={18} className="shrink-0 text-danger" aria-hidden />
          <p className="min-w-0 flex-1">{t(`handsFree.ended.${state.reason}`)}</p>
          <button
            type="button"
            className="button-quiet min-h-11 min-w-11"
            aria-label={t("common.close")}
            onClick={handsFree.dismiss}
          >
            <X size={16} aria-hidden />
          </button>
        </div>
      )}
    </>
  );
}

type On = Extract<HandsFreeState, { kind: "on" }>;

const isDue = ({ turn, chat }: On): boolean => turn.kind === "due" && chat === "busy";

function getText(state: On) {
  if (state.chat === "busy") return isDue(state) ? "handsFree.due" : "handsFree.answering";
  return state.turn.kind === "pausing" ? "handsFree.pausing" : "handsFree.listening";
}
