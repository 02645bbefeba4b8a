/** The line of hands-free below the composer: how it goes on, and why it ended where nobody ended it. */
import { TriangleAlert, X } from "lucide-react";
import { useTranslation } from "react-i18next";

import type { HandsFree } from "../hands-free/hands-free";
import type { HandsFreeState } from "../hands-free/turns";
import { useHandsFreeState } from "./use-hands-free";

export function HandsFreeStatus({ handsFree }: { handsFree: HandsFree }) {
  const { t } = useTranslation();
  const state = useHandsFreeState(handsFree);
  if (state.kind === "on") {
    return (
      <p
        data-testid="hands-free"
        data-turn={state.turn.kind}
        className="px-2 pt-1 text-center text-xs text-muted"
      >
        {t(getText(state))}
      </p>
    );
  }
  // A microphone that failed has said so itself.
  if (state.reason === null || state.reason === "microphone") return null;
  return (
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
  );
}

function getText({ turn, chat }: Extract<HandsFreeState, { kind: "on" }>) {
  if (turn.kind === "pausing") return "handsFree.pausing";
  if (turn.kind === "due" && chat === "busy") return "handsFree.due";
  return chat === "busy" ? "handsFree.answering" : "handsFree.listening";
}
