/** What came from one dictation, found in the text and replaced by what was heard the second time. Pure. */
import { adjustSpans, pushUndoStep } from "./edit";
import { fitCapital, fitFullStop } from "./fit";
import type { ComposerModel, Span } from "./model";
import { parseDictation } from "./utterance";
import { needsSpace } from "./words";

/** A place in the text, in characters. */
export interface DictatedPlace {
  start: number;
  end: number;
  /** What stands there. */
  text: string;
}

/**
 * Where the text of a dictation stands as it came: whole, in one piece, and not edited. Null where it does
 * not, or words of it may still change.
 */
export function findDictated(model: ComposerModel, dictation: string): DictatedPlace | null {
  const mine = model.spans
    .filter(({ key }) => parseDictation(key) === dictation)
    .sort((one, other) => one.start - other.start);
  const said = Object.entries(model.hypotheses).filter(
    ([key, { text }]) => parseDictation(key) === dictation && text.trim() !== "",
  );
  const [first] = mine;
  const last = mine.at(-1);
  if (first === undefined || last === undefined) return null;
  const isThere = said.every(([key]) => isReplaced(model, key) || mine.some((span) => span.key === key));
  if (!isThere || !mine.every((span) => isAsItCame(model, span)) || !isOnePiece(model, mine)) return null;
  const whole = model.text.slice(first.start, last.end);
  const start = last.end - whole.trimStart().length;
  const end = first.start + whole.trimEnd().length;
  return growsTogether(model.text, start) || growsTogether(model.text, end)
    ? null
    : { start, end, text: whole.trim() };
}

/** Put another text there, as one step of undo. Without such a place nothing changes. */
export function replaceDictated(model: ComposerModel, dictation: string, heard: string): ComposerModel {
  const place = findDictated(model, dictation);
  if (place === null || heard.trim() === "") return model;
  const before = model.text.slice(0, place.start);
  const behind = model.text.slice(place.end);
  const fitted = fitFullStop(fitCapital(heard.trim(), before), behind);
  const lead = needsSpace(before.slice(-1), fitted) ? " " : "";
  const trail = needsSpace(fitted.slice(-1), behind.slice(0, 1)) ? " " : "";
  const inserted = lead + fitted + trail;
  const text = before + inserted + behind;
  const key = nameVersion(model, dictation);
  const others = { ...model, spans: model.spans.filter((span) => parseDictation(span.key) !== dictation) };
  const edit = { start: place.start, removed: place.end - place.start, inserted };
  const end = place.start + inserted.length;
  const span: Span = {
    key,
    state: "final",
    start: place.start,
    live: end,
    end,
    stable: end,
    fullText: heard,
    skippedWords: 0,
    marks: [],
    settled: inserted,
  };
  const spans = [...adjustSpans(others, edit, text), span].sort(
    (one, other) => one.start - other.start || one.end - other.end,
  );
  return {
    ...model,
    text,
    caret: { start: end, end },
    spans,
    undo: pushUndoStep(model, key),
    redo: [],
    typingAt: null,
  };
}

const VERSION = "heard";

/** A key of its own for each time that a dictation was heard again. */
function nameVersion({ undo }: ComposerModel, dictation: string): string {
  const prefix = `${dictation}.${VERSION}:`;
  return `${prefix}${undo.filter(({ key }) => key?.startsWith(prefix)).length + 1}`;
}

/** Whether a later version stands for this utterance: it took the place of all that came before. */
function isReplaced(model: ComposerModel, key: string): boolean {
  const dictation = parseDictation(key);
  const standing = model.spans.find((span) => span.key.startsWith(`${dictation}.${VERSION}:`));
  return standing !== undefined;
}

/** Whether letters meet there: what was typed has become part of a word that was said. */
function growsTogether(text: string, at: number): boolean {
  return /[\p{L}\p{N}]$/u.test(text.slice(0, at)) && /^[\p{L}\p{N}]/u.test(text.slice(at));
}

function isAsItCame({ text }: ComposerModel, span: Span): boolean {
  return span.state === "final" && span.settled === text.slice(span.start, span.end);
}

function isOnePiece({ text }: ComposerModel, spans: readonly Span[]): boolean {
  return spans.every((span, index) => {
    const next = spans[index + 1];
    return next === undefined || text.slice(span.end, next.start).trim() === "";
  });
}
