/** What the user does to the text: an edit moves the utterances around it, and owns every word that it touches. */

import type { Caret, ComposerModel, Span, Step } from "./model";
import { wordsOf } from "./words";

const STEPS_KEPT = 200;

/** `removed` characters at `start` give way to `inserted`. */
export interface Edit {
  start: number;
  removed: number;
  inserted: string;
}

/** The edit that led from `before` to `after`, with the caret where it ended. */
export function editBetween(before: string, after: string, caretEnd: number): Edit {
  const tail = before.endsWith(after.slice(caretEnd)) ? after.length - caretEnd : commonTail(before, after);
  const head = commonHead(before.slice(0, before.length - tail), after.slice(0, after.length - tail));
  return {
    start: head,
    removed: before.length - tail - head,
    inserted: after.slice(head, after.length - tail),
  };
}

/** The model after the user has edited it; letters of one word, and deletions in a row, are undone at once. */
export function typed(model: ComposerModel, text: string, caret: Caret): ComposerModel {
  if (text === model.text) return { ...model, caret };
  const edit = editBetween(model.text, text, caret.end);
  const isDeletion = edit.inserted === "";
  const goesOn = isDeletion
    ? model.typingAt === edit.start + edit.removed
    : edit.removed === 0 && model.typingAt === edit.start && !/\s/u.test(edit.inserted);
  const spans = model.spans.flatMap((span) => spanAfter(span, edit, model.text, text));
  const undo = goesOn ? model.undo : pushed(model, null);
  return { ...model, text, caret, spans, undo, redo: [], typingAt: edit.start + edit.inserted.length };
}

/** The history with the page as it is now; `key` is the utterance that is about to begin. */
export function pushed(model: ComposerModel, key: string | null): readonly Step[] {
  const { text, caret, spans } = model;
  return [...model.undo.slice(1 - STEPS_KEPT), { text, caret, spans, key }];
}

/** Where an utterance stands after an edit: none when it was final and nothing is left of it. */
function spanAfter(span: Span, edit: Edit, before: string, after: string): Span[] {
  const editEnd = edit.start + edit.removed;
  const shift = edit.inserted.length - edit.removed;
  if (editEnd <= span.start) {
    return [moved(span, shift)];
  }
  if (edit.start >= span.end) {
    return [span];
  }
  if (span.state === "final") {
    const whole = edit.start <= span.start && editEnd >= span.end;
    return whole ? [] : [{ ...span, ...finalAfter(span, edit) }];
  }
  if (editEnd < span.live || (editEnd === span.live && span.live > span.start && !touches(after, edit))) {
    return [{ ...moved(span, shift), start: startAfter(span, edit) }];
  }
  return [frozen(span, edit, before, after)];
}

/** The span, and all in it, further on. */
export function moved(span: Span, shift: number): Span {
  return {
    ...span,
    start: span.start + shift,
    live: span.live + shift,
    stable: span.stable + shift,
    end: span.end + shift,
  };
}

function finalAfter(span: Span, edit: Edit): Pick<Span, "start" | "live" | "stable" | "end"> {
  const editEnd = edit.start + edit.removed;
  const end = editEnd > span.end ? edit.start : span.end + edit.inserted.length - edit.removed;
  return { start: startAfter(span, edit), live: end, stable: end, end };
}

/** What is typed over the head of an utterance stands before it. */
function startAfter(span: Span, edit: Edit): number {
  return edit.start < span.start ? edit.start + edit.inserted.length : span.start;
}

/** A live utterance that was edited: all up to the edit, and the word that it touches, is the user's from now on. */
function frozen(span: Span, edit: Edit, before: string, after: string): Span {
  const editEnd = edit.start + edit.removed;
  const behind = edit.start + edit.inserted.length;
  const words = wordsOf(before.slice(span.live, span.end));
  const within = editEnd - span.live;
  const joins = touches(after, edit);
  const taken = words.filter((word) => word.start < within || (word.start === within && joins));
  const last = taken.at(-1);
  const overhang = last === undefined ? 0 : Math.max(0, last.end - within);
  const live = behind + overhang;
  const end = Math.max(live, editEnd >= span.end ? behind : span.end + edit.inserted.length - edit.removed);
  const stable = Math.min(end, Math.max(live, span.stable + edit.inserted.length - edit.removed));
  return { ...span, start: startAfter(span, edit), live, stable, end, skip: span.skip + taken.length };
}

/** Whether what follows the edit has grown together with it into one word. */
function touches(after: string, edit: Edit): boolean {
  const at = edit.start + edit.inserted.length;
  return /\S/u.test(after.charAt(at)) && /\S/u.test(after.charAt(at - 1));
}

function commonHead(one: string, other: string): number {
  let length = 0;
  while (length < one.length && length < other.length && one[length] === other[length]) length += 1;
  return length;
}

function commonTail(one: string, other: string): number {
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
