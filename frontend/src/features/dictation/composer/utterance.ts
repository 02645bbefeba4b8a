/** Updates by the engine: an utterance is inserted at the caret, rewritten in place, and finished. Pure. */

import { pushUndoStep, removeSettledText, shiftSpan } from "./edit";
import { fitCapital, fitFullStop } from "./fit";
import { moveMarks } from "./marks";
import {
  type ComposerModel,
  type ComposerSnapshot,
  EMPTY,
  type Hypothesis,
  type Mark,
  type Span,
  type UndoStep,
  WITHDRAWAL,
} from "./model";
import { countClosingMarks, findMatchingCut, needsSpace, splitWords } from "./words";

/** The whole utterance so far. */
export interface UtteranceUpdate {
  key: string;
  text: string;
  /** The prefix of `text` that will not change. */
  stable: string;
  marks?: readonly Mark[];
  isJoined?: boolean;
}

/** Apply a partial or, with `isFinal`, the final of an utterance. An empty text removes it. */
export function applyUpdate(model: ComposerModel, update: UtteranceUpdate, isFinal: boolean): ComposerModel {
  const known = placeUtterance(model, update);
  if (known.hypotheses[update.key]?.state === "final") return known;
  const { text, stable, marks = [], isJoined = false } = update;
  const now: Hypothesis = { text, stable, state: isFinal ? "final" : "live", marks, isJoined };
  return refreshSpans({ ...known, hypotheses: { ...known.hypotheses, [update.key]: now } }, update.key);
}

/** A dictation broke off: the next one sends its open utterances again, in the same places. */
export function orphanUtterances(model: ComposerModel, dictation: string): ComposerModel {
  return setStates(model, dictation, (state) => (state === "live" ? "orphan" : state));
}

/** A dictation has ended: its utterances stay as they are. */
export function finishUtterances(model: ComposerModel, dictation: string): ComposerModel {
  return setStates(model, dictation, () => "final");
}

/**
 * A dictation was cancelled: remove its words that are not final, except those that the user has edited. One
 * undo brings back what was shown.
 */
export function withdrawUtterances(model: ComposerModel, dictation: string): ComposerModel {
  const withdrawn = Object.keys(model.hypotheses)
    .filter((key) => parseDictation(key) === dictation && model.hypotheses[key]?.state !== "final")
    .reduce((next, key) => applyUpdate(next, { key, text: "", stable: "" }, true), model);
  const shown = finishUtterances(model, dictation);
  if (withdrawn.text === shown.text) return withdrawn;
  const { hypotheses } = shown;
  return { ...withdrawn, hypotheses, undo: pushUndoStep(shown, WITHDRAWAL), redo: [] };
}

/**
 * What is said is heard later: its words come to this place, by default the caret, and those after them
 * behind them, wherever the caret is by then.
 */
export function holdPlace(model: ComposerModel, dictation: string, place?: number): ComposerModel {
  const key = nameHold(dictation);
  if (model.spans.some((span) => span.key === key)) return model;
  const at = Math.min(place ?? findInsertionPoint(model), model.text.length);
  return { ...model, spans: sortSpans([...model.spans, makeSpan(key, "orphan", at)]) };
}

/** All that was said meanwhile has its words: further ones come to the caret again. */
export function releasePlace(model: ComposerModel, dictation: string): ComposerModel {
  const key = nameHold(dictation);
  const spans = model.spans.filter((span) => span.key !== key);
  return spans.length === model.spans.length ? model : { ...model, spans };
}

/** The span without text that holds the place of a dictation. */
export function isHold({ key }: Span): boolean {
  return key.endsWith(HOLD);
}

/** The text was sent: an empty model that ignores later updates of its utterances. */
export function clearAfterSending(model: ComposerModel): ComposerModel {
  const open = Object.keys(model.hypotheses).filter((key) => model.hypotheses[key]?.state !== "final");
  const hypotheses = Object.fromEntries(
    Object.entries(model.hypotheses).filter(([key]) => open.includes(key)),
  );
  return { ...EMPTY, hypotheses };
}

/** Bring open utterances up to their newest text: the one with the key `only`, or all. */
export function refreshSpans(model: ComposerModel, only?: string): ComposerModel {
  return model.spans.reduce((next, { key }) => {
    const span = next.spans.find((one) => one.key === key);
    const newest = next.hypotheses[key];
    if (span === undefined || newest === undefined || span.state === "final") return next;
    if (only !== undefined && key !== only) return next;
    const isCurrent = only === undefined && span.fullText === newest.text && span.state === newest.state;
    const rewritten = isCurrent ? next : rewriteSpan(next, { ...span, state: newest.state }, newest);
    return newest.state === "final" ? settleSpan(rewritten, key, newest.isJoined) : rewritten;
  }, model);
}

const HOLD = ".held";

function nameHold(dictation: string): string {
  return `${dictation}${HOLD}`;
}

function makeSpan(key: string, state: Span["state"], at: number): Span {
  return {
    key,
    state,
    start: at,
    live: at,
    end: at,
    stable: at,
    fullText: "",
    skippedWords: 0,
    marks: [],
    settled: null,
  };
}

/** In the order of the text; those at one place stay in their order. */
function sortSpans(spans: readonly Span[]): Span[] {
  return [...spans].sort((one, other) => one.start - other.start || one.end - other.end);
}

/** Keys are `dictation.number:utterance`. */
export function parseDictation(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf(".")));
}

function setStates(
  model: ComposerModel,
  dictation: string,
  to: (state: Hypothesis["state"]) => Hypothesis["state"],
): ComposerModel {
  const entries = Object.entries(model.hypotheses).map(([key, hypothesis]) =>
    parseDictation(key) === dictation
      ? ([key, { ...hypothesis, state: to(hypothesis.state) }] as const)
      : ([key, hypothesis] as const),
  );
  return refreshSpans({ ...model, hypotheses: Object.fromEntries(entries) });
}

/** Give the utterance a place: the one it has, that of the orphan it replaces, the held one, or the caret. */
function placeUtterance(model: ComposerModel, update: UtteranceUpdate): ComposerModel {
  if (update.key in model.hypotheses) return model;
  const orphan = Object.keys(model.hypotheses).find(
    (key) => model.hypotheses[key]?.state === "orphan" && parseDictation(key) === parseDictation(update.key),
  );
  if (orphan !== undefined) return renameUtterance(model, orphan, update.key);
  if (update.text.trim() === "") return model;
  const hold = model.spans.find(({ key }) => key === nameHold(parseDictation(update.key)));
  const at = hold?.start ?? findInsertionPoint(model);
  const span = makeSpan(update.key, "live", at);
  const index = hold === undefined ? model.spans.length : model.spans.indexOf(hold);
  const spans = sortSpans([...model.spans.slice(0, index), span, ...model.spans.slice(index)]);
  return { ...model, spans, undo: pushUndoStep(model, update.key), redo: [], typingAt: null };
}

function renameUtterance(model: ComposerModel, from: string, to: string): ComposerModel {
  const page = <T extends ComposerSnapshot>(one: T): T => ({
    ...one,
    spans: one.spans.map((span) => (span.key === from ? { ...span, key: to } : span)),
  });
  const step = (one: UndoStep): UndoStep => ({ ...page(one), key: one.key === from ? to : one.key });
  const { [from]: _, ...hypotheses } = model.hypotheses;
  return {
    ...page(model),
    hypotheses,
    undo: model.undo.map(step),
    redo: model.redo.map(step),
  };
}

/** The caret, or the end of the open utterance around it: utterances do not nest. */
function findInsertionPoint(model: ComposerModel): number {
  const at = model.caret.end;
  const around = model.spans.find((span) => span.state !== "final" && span.start < at && at < span.end);
  return around?.end ?? at;
}

function rewriteSpan(model: ComposerModel, span: Span, update: Hypothesis): ComposerModel {
  const skippedWords =
    span.skippedWords === 0 ? 0 : findMatchingCut(span.fullText, update.text, span.skippedWords);
  const words = splitWords(update.text);
  const from = skippedWords === 0 ? 0 : (words[skippedWords]?.start ?? update.text.length);
  const rest = update.text.slice(from);
  const rewritten = fitToPlace(model, span, rest.trim(), from > 0);
  const before = model.text.slice(0, span.live);
  const behind = model.text.slice(span.end);
  const lead = needsSpace(before.slice(-1), rewritten) ? " " : "";
  const trail = needsSpace(rewritten.slice(-1), behind.slice(0, 1)) ? " " : "";
  const inserted = rewritten === "" ? "" : lead + rewritten + trail;
  const stableChars = Math.max(0, Math.min(update.stable.length - from, rewritten.length));
  const next: Span = {
    ...span,
    end: span.live + inserted.length,
    stable: span.live + (stableChars === 0 ? 0 : lead.length + stableChars),
    fullText: update.text,
    skippedWords,
    marks: placeMarks(
      update.marks,
      from,
      span.live + lead.length - from - (rest.length - rest.trimStart().length),
      span.live + lead.length + rewritten.length,
    ),
  };
  return replaceSpanText(model, span, next, before + inserted + behind);
}

/**
 * What was said, as it fits the text around it. Between utterances it stays as the engine gave it: an open
 * one has no full stop yet, and the engine knows best where its sentences end.
 *
 * @param isBegun the user has taken over the first words
 */
function fitToPlace(model: ComposerModel, span: Span, text: string, isBegun: boolean): string {
  const others = model.spans.filter(({ key, start, end }) => key !== span.key && end > start);
  const isDirect = (from: number, to: number): boolean =>
    from <= to && model.text.slice(from, to).trim() === "";
  const isLater = others.some(({ end }) => isDirect(end, span.start));
  const isFollowed = others.some(({ start }) => isDirect(span.end, start));
  const fitted = isBegun || isLater ? text : fitCapital(text, model.text.slice(0, span.live));
  return isFollowed ? fitted : fitFullStop(fitted, model.text.slice(span.end));
}

/** Replace a span and shift everything after it. */
function replaceSpanText(model: ComposerModel, old: Span, next: Span, text: string): ComposerModel {
  const shift = next.end - old.end;
  const index = model.spans.findIndex(({ key }) => key === old.key);
  const spans = model.spans.map((span, other) => {
    if (span.key === old.key) return next;
    // Spans without text may lie at one place: their order says which come behind.
    if (span.end <= old.start && (other < index || span.start < old.end)) return span;
    const edit = {
      start: old.start,
      removed: old.end - old.start,
      inserted: text.slice(old.start, next.end),
    };
    // Behind this utterance; else a final one that this one was inserted into.
    const moved = span.start >= old.end ? shiftSpan(span, shift) : growSpan(span, shift);
    return { ...moved, marks: moveMarks(span.marks, edit, model.text, text) };
  });
  const typingAt = model.typingAt === null ? null : shiftPosition(model.typingAt, old, shift);
  const caret = {
    start: shiftPosition(model.caret.start, old, shift),
    end: shiftPosition(model.caret.end, old, shift),
  };
  return { ...model, text, caret, spans, typingAt };
}

/** A position after the utterance stays after it, one before it stays before; inside it keeps its place. */
function shiftPosition(at: number, old: Span, shift: number): number {
  return at >= old.end ? at + shift : Math.min(at, Math.max(old.live, old.end + shift));
}

function growSpan(span: Span, by: number): Span {
  const end = span.end + by;
  return { ...span, live: end, stable: end, end };
}

/** The marks of a final in the text: those of words that the user has taken over are left out. */
function placeMarks(marks: readonly Mark[], from: number, shift: number, textEnd: number): Mark[] {
  const kept = marks.filter((mark) => mark.start >= from);
  return kept.map((mark) => ({
    ...mark,
    start: Math.min(mark.start + shift, textEnd),
    end: Math.min(mark.end + shift, textEnd),
  }));
}

/** Make the utterance final. One without text is removed, also from the history. */
function settleSpan(model: ComposerModel, key: string, isJoined: boolean): ComposerModel {
  const span = model.spans.find((one) => one.key === key);
  if (span === undefined) return model;
  if (span.start === span.end) {
    const wasTyping = (step: UndoStep): boolean => step.key !== key;
    return { ...model, spans: model.spans.filter((one) => one !== span), undo: model.undo.filter(wasTyping) };
  }
  const isWhole = span.skippedWords === 0 && span.start === span.live;
  const settled = isWhole ? model.text.slice(span.start, span.end) : null;
  const done: Span = { ...span, state: "final", live: span.end, stable: span.end, settled };
  const next = { ...model, spans: model.spans.map((one) => (one === span ? done : one)) };
  return isJoined ? joinToSentence(next, done) : next;
}

/** The sentence goes on: the final directly before loses its closing marks, unless the user wrote between. */
function joinToSentence(model: ComposerModel, span: Span): ComposerModel {
  const before = model.spans.find(
    ({ key, state, end }) =>
      state === "final" &&
      key !== span.key &&
      parseDictation(key) === parseDictation(span.key) &&
      end <= span.start &&
      model.text.slice(end, span.start).trim() === "",
  );
  if (before === undefined) return model;
  const text = model.text.slice(before.start, before.end).trimEnd();
  const count = countClosingMarks(before.fullText);
  if (count === 0 || !text.endsWith(before.fullText.trimEnd().slice(-count))) return model;
  const joined = removeSettledText(model, before.start + text.length - count, count);
  if (before.settled !== model.text.slice(before.start, before.end)) return joined;
  const settle = (one: Span): Span =>
    one.key === before.key ? { ...one, settled: joined.text.slice(one.start, one.end) } : one;
  return { ...joined, spans: joined.spans.map(settle) };
}
