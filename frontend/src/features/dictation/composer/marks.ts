/** Marks in a final: words that the engine doubts, and places where words are missing. Pure. */
import { DOUBTED_BELOW } from "@/shared/api/confidence";
import { locateWords, type TimedWord, type WordPlace } from "@/shared/lib/word-places";

import type { Edit, Mark } from "./model";
import { splitWords } from "./words";

/** What a final says about its text. */
export interface FinalDetails {
  startMs: number;
  endMs: number;
  /** In the order of the text; empty where the engine tells no words. */
  words: readonly TimedWord[];
  /** Audible speech that has no words in the text. */
  uncovered: readonly { start_ms: number; end_ms: number }[];
}

/** The marks of a text, in its characters and order. */
export function findMarks(text: string, details: FinalDetails): Mark[] {
  const places = locateWords(text, details.words);
  const doubts = places
    .filter(({ confidence }) => confidence < DOUBTED_BELOW)
    .map(({ start, end }): Mark => ({ kind: "doubt", start, end }));
  const gaps = new Set(details.uncovered.map((gap) => findGap(text, places, gap, details)));
  return [...doubts, ...[...gaps].map((at): Mark => ({ kind: "gap", start: at, end: at }))].sort(
    (one, other) => one.start - other.start || one.end - other.end,
  );
}

/** The marks after an edit. One is gone where its word is edited or its place filled. */
export function moveMarks(marks: readonly Mark[], edit: Edit, before: string, after: string): Mark[] {
  return marks.flatMap((mark) => moveMark(mark, edit, before, after));
}

function moveMark(mark: Mark, edit: Edit, before: string, after: string): Mark[] {
  const { start: from, removed, inserted } = edit;
  const shift = inserted.length - removed;
  const moved = { ...mark, start: mark.start + shift, end: mark.end + shift };
  if (mark.kind === "gap") {
    const { start: at } = mark;
    const isFilled = removed === 0 && at === from;
    if (isFilled || (at > from && at < from + removed)) return [];
    return [at <= from ? mark : moved];
  }
  const isExtended = (was: string, is: string): boolean =>
    LETTER.test(is) && (inserted !== "" || !LETTER.test(was));
  if (mark.end < from) return [mark];
  if (mark.start > from + removed) return [moved];
  if (mark.end === from) return isExtended(before.charAt(from), after.charAt(from)) ? [] : [mark];
  if (mark.start === from + removed)
    return isExtended(before.charAt(mark.start - 1), after.charAt(moved.start - 1)) ? [] : [moved];
  return [];
}

const LETTER = /[\p{L}\p{N}]/u;

/** Before the first word behind it; without words, as far in the text as it is in the utterance. */
function findGap(
  text: string,
  places: readonly WordPlace[],
  gap: FinalDetails["uncovered"][number],
  { startMs, endMs }: FinalDetails,
): number {
  const end = text.trimEnd().length;
  const middleMs = (gap.start_ms + gap.end_ms) / 2;
  if (places.length > 0) return places.find((place) => place.startMs >= middleMs)?.start ?? end;
  const all = splitWords(text);
  const share = (middleMs - startMs) / Math.max(1, endMs - startMs);
  return all[Math.round(Math.min(1, Math.max(0, share)) * all.length)]?.start ?? end;
}
