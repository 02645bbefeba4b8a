/** Below the composer: how many of its words are uncertain or missing, each a button that goes there. */
import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/services";

import { listMarks } from "../composer/model";
import type { Dictation } from "../dictation";
import { useComposerModel } from "../dictation-context";

interface MarkedPlacesProps {
  dictation: Dictation;
  /** Called once the caret is there, to focus the field. */
  onGo: () => void;
}

/** No live region: a screen reader would talk into the microphone. It tells them on request. */
export function MarkedPlaces({ dictation, onGo }: MarkedPlacesProps) {
  const { t, i18n } = useTranslation();
  const { composer } = dictation;
  const model = useComposerModel(dictation);
  const [{ marksDoubt }] = useSettings();
  const { gaps, doubts } = useMemo(() => {
    const marks = listMarks(model);
    return {
      gaps: marks.filter(({ kind }) => kind === "gap"),
      doubts: marksDoubt ? marks.filter(({ kind }) => kind === "doubt") : [],
    };
  }, [model, marksDoubt]);

  const goToGap = (): void => {
    composer.dispatch({ type: "gap_taken", at: gaps[0]?.start ?? 0 });
    onGo();
  };
  /** Select the next uncertain word behind the caret, and behind the last one the first. */
  const goToDoubt = (): void => {
    const { caret } = composer.get();
    const next = doubts.find(({ start }) => start >= caret.end) ?? doubts[0];
    if (next === undefined) return;
    composer.dispatch({ type: "caret_moved", caret: { start: next.start, end: next.end } });
    onGo();
  };
  const words = new Intl.ListFormat(i18n.language).format(
    doubts.map(({ start, end }) => `“${model.text.slice(start, end)}”`),
  );
  return (
    <div data-testid="marked-places" className="flex flex-wrap justify-center gap-x-4 px-2 text-xs">
      {gaps.length > 0 && (
        <PlaceButton onClick={goToGap}>{t("dictation.missing", { count: gaps.length })}</PlaceButton>
      )}
      {doubts.length > 0 && (
        <PlaceButton label={t("dictation.doubtedWords", { count: doubts.length, words })} onClick={goToDoubt}>
          {t("dictation.doubted", { count: doubts.length })}
        </PlaceButton>
      )}
    </div>
  );
}

interface PlaceButtonProps {
  /** Where a screen reader says more than is shown. */
  label?: string;
  onClick: () => void;
  children: ReactNode;
}

function PlaceButton({ label, onClick, children }: PlaceButtonProps) {
  return (
    <button
      type="button"
      className="rounded-md px-1 pt-1 touch:min-h-target text-muted underline decoration-warn decoration-dotted decoration-2 underline-offset-4 hover:text-ink"
      aria-label={label}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
