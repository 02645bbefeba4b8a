/** One final of a stored dictation: its time, and its words, of which the one that is heard is marked. */
import { Play } from "lucide-react";
import { memo, type MouseEvent, useMemo } from "react";
import { useTranslation } from "react-i18next";

import type { StoredFinal } from "@/shared/api/types";
import { formatTimecode } from "@/shared/lib/formats";
import { locateWords, readTimedWords, type WordPlace } from "@/shared/lib/word-places";

interface SpokenFinalProps {
  final: StoredFinal;
  /** The word that is being heard: its place among those of the final; null for none. */
  spoken: number | null;
  /** Play from a moment of the dictation (ms); null where there is no sound. */
  onPlay: ((ms: number) => void) | null;
}

/** The word of a final that is heard at a moment, by its place; null where none is. */
export function findSpoken(final: StoredFinal, ms: number | null): number | null {
  if (ms === null || final.start_ms === null || final.end_ms === null) return null;
  if (ms < final.start_ms || ms > final.end_ms) return null;
  const at = placeWords(final).findLastIndex(({ startMs }) => startMs <= ms);
  return at < 0 ? null : at;
}

const known = new WeakMap<StoredFinal, WordPlace[]>();

function placeWords(final: StoredFinal): WordPlace[] {
  const found = known.get(final) ?? locateWords(final.text, readTimedWords(final.words));
  known.set(final, found);
  return found;
}

export const SpokenFinal = memo(function SpokenFinal({ final, spoken, onPlay }: SpokenFinalProps) {
  const { t } = useTranslation();
  const places = useMemo(() => placeWords(final), [final]);
  const { text, start_ms: from, end_ms: to } = final;
  /** A word is no button: a dictation has thousands. By keyboard the button of the sentence plays it. */
  const playWord = ({ target }: MouseEvent): void => {
    const ms = target instanceof HTMLElement ? target.dataset["ms"] : undefined;
    if (ms !== undefined && onPlay !== null && getSelection()?.isCollapsed !== false) onPlay(Number(ms));
  };
  const times = from === null || to === null ? null : `${formatTimecode(from)} – ${formatTimecode(to)}`;
  return (
    <li className="grid gap-x-4 sm:grid-cols-[8.5rem_1fr]">
      {times === null || from === null || to === null ? (
        <span />
      ) : onPlay === null ? (
        <span
          className="pt-1 text-xs tabular-nums text-muted"
          aria-label={t("history.dictations.time", { from: formatTimecode(from), to: formatTimecode(to) })}
        >
          {times}
        </span>
      ) : (
        <button
          type="button"
          className="button-quiet -ml-2 justify-start self-start text-xs tabular-nums"
          aria-label={t("history.dictations.playFrom", { times })}
          onClick={() => onPlay(from)}
        >
          <Play size={12} aria-hidden />
          {times}
        </button>
      )}
      <p
        className="break-words leading-7 sm:pt-1"
        lang={final.lang ?? undefined}
        dir="auto"
        onClick={playWord}
      >
        {onPlay === null || places.length === 0 ? text : <Words {...{ text, places, spoken }} />}
      </p>
    </li>
  );
});

function Words({ text, places, spoken }: { text: string; places: WordPlace[]; spoken: number | null }) {
  return places.map(({ start, end, startMs }, index) => (
    <span key={index}>
      {text.slice(places[index - 1]?.end ?? 0, start)}
      <span
        data-ms={startMs}
        data-spoken={index === spoken}
        className={`cursor-pointer rounded ${index === spoken ? "bg-accent/25 underline decoration-accent decoration-2 underline-offset-4" : "hover:bg-raised"}`}
      >
        {text.slice(start, end)}
      </span>
      {index === places.length - 1 ? text.slice(end) : ""}
    </span>
  ));
}
