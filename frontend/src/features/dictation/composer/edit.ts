/** Edits by the user: an edit shifts utterances and takes over the words that it touches. Pure. */

import { moveMarks } from "./marks";
import type { Caret, ComposerModel, Edit, Span, UndoStep } from "./model";
import { splitWords } from "./words";

const MAX_STEPS = 200;

/** Find the edit that turned `before` into `after` and left the caret at `caretEnd`. */
export function diffEdit(before: string, after: string, caretEnd: number): Edit {
  const tail = before.endsWith(after.slice(caretEnd))
    ? after.length - caretEnd
    : countCommonTail(before, after);
  const head = countCommonHead(before.slice(0, before.length - tail), after.slice(0, after.length - tail));
  return {
    start: head,
    removed: before.length - tail - head,
    inserted: after.slice(head, after.length - tail),
  };
}

/** Apply an edit of the user. The letters of one word, or deletions in a row, are one undo step. */
export function applyTyping(model: ComposerModel, text: string, caret: Caret): ComposerModel {
  if (text === model.text) return { ...model, caret };
  const edit = diffEdit(model.text, text, caret.end);
  const isDeletion = edit.inserted === "";
  const continuesStep = isDeletion
    ? model.typingAt === edit.start + edit.removed
    : edit.removed === 0 && model.typingAt === edit.start && !/\s/u.test(edit.inserted);
  const spans = adjustSpans(model, edit, text);
  const undo = continuesStep ? model.undo : pushUndoStep(model, null);
  return { ...model, text, caret, spans, undo, redo: [], typingAt: edit.start + edit.inserted.length };
}

/** The history with the current text as its newest step; `key` is the utterance that starts now. */
export function pushUndoStep(model: ComposerModel, key: string | null): readonly UndoStep[] {
  const { text, caret, spans } = model;
  return [...model.undo.slice(1 - MAX_STEPS), { text, caret, spans, key }];
}

/** The text without `removed` characters at `start`, which lie in finals; the undo history stays as it is. */
export function removeSettledText(model: ComposerModel, start: number, removed: number): ComposerModel {
  const text = model.text.slice(0, start) + model.text.slice(start + removed);
  const shift = (at: number): number => Math.max(Math.min(at, start), at - removed);
  const { caret, typingAt } = model;
  return {
    ...model,
    text,
    caret: { start: shift(caret.start), end: shift(caret.end) },
    typingAt: typingAt === null ? null : shift(typingAt),
    spans: adjustSpans(model, { start, removed, inserted: "" }, text),
  };
}

/** The spans after an edit: shifted, grown, or gone where all of a final was taken away. */
export function adjustSpans(model: ComposerModel, edit: Edit, text: string): Span[] {
  return model.spans.flatMap((span) => adjustSpan(span, edit, model.text, text));
}

/** The span after an edit; none where it was final and nothing of it is left. */
function adjustSpan(span: Span, edit: Edit, before: string, after: string): Span[] {
  const editEnd = edit.start + edit.removed;
  const shift = edit.inserted.length - edit.removed;
  const marks = moveMarks(span.marks, edit, before, after);
  if (editEnd <= span.start) {
    return [{ ...shiftSpan(span, shift), marks }];
  }
  if (edit.start >= span.end) {
    return [{ ...span, marks }];
  }
  if (span.state === "final") {
    const whole = edit.start <= span.start && editEnd >= span.end;
    return whole ? [] : [{ ...span, ...adjustFinalSpan(span, edit), marks }];
  }
  if (
    editEnd < span.live ||
    (editEnd === span.live && span.live > span.start && !joinsNextWord(after, edit))
  ) {
    return [{ ...shiftSpan(span, shift), start: adjustStart(span, edit) }];
  }
  return [freezeEditedWords(span, edit, before, after)];
}

/** The span with all its positions shifted. */
export function shiftSpan(span: Span, shift: number): Span {
  return {
    ...span,
    start: span.start + shift,
    live: span.live + shift,
    stable: span.stable + shift,
    end: span.end + shift,
    marks: span.marks.map((mark) => ({ ...mark, start: mark.start + shift, end: mark.end + shift })),
  };
}

function adjustFinalSpan(span: Span, edit: Edit): Pick<Span, "start" | "live" | "stable" | "end"> {
  const editEnd = edit.start + edit.removed;
  const end = editEnd > span.end ? edit.start : span.end + edit.inserted.length - edit.removed;
  return { start: adjustStart(span, edit), live: end, stable: end, end };
}

/** Text that is typed over the start of an utterance comes before it. */
function adjustStart(span: Span, edit: Edit): number {
  return edit.start < span.start ? edit.start + edit.inserted.length : span.start;
}

/** An edited live utterance: the user takes over everything up to the edit, and the word that it touches. */
function freezeEditedWords(span: Span, edit: Edit, before: string, after: string): Span {
  const editEnd = edit.start + edit.removed;
  const behind = edit.start + edit.inserted.length;
  const words = splitWords(before.slice(span.live, span.end));
  const within = editEnd - span.live;
  const joins = joinsNextWord(after, edit);
  const taken = words.filter((word) => word.start < within || (word.start === within && joins));
  const last = taken.at(-1);
  const overhang = last === undefined ? 0 : Math.max(0, last.end - within);
  const live = behind + overhang;
  const end = Math.max(live, editEnd >= span.end ? behind : span.end + edit.inserted.length - edit.removed);
  const stable = Math.min(end, Math.max(live, span.stable + edit.inserted.length - edit.removed));
  return {
    ...span,
    start: adjustStart(span, edit),
    live,
    stable,
    end,
    skippedWords: span.skippedWords + taken.length,
  };
}

/** Whether the edit and the text after it form one word. */
function joinsNextWord(after: string, edit: Edit): boolean {
  const at = edit.start + edit.inserted.length;
  return /\S/u.test(after.charAt(at)) && /\S/u.test(after.charAt(at - 1));
}

function countCommonHead(one: string, other: string): number {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length += 1;
  return length;
}

function countCommonTail(one: string, other: string): number {
  let length = 0;
  while (
    length < one.length &&
    length < other.length &&
    one[one.length - 1 - length] === other[other.length - 1 - length]
  ) {
    length += 1;
  }
  return length;
}
