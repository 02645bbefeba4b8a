// What the user does to the text: an edit moves the utterances around it, and owns every word that it touches.

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

/** The model after the user has edited it. */
export function typed(model: ComposerModel, text: string, caret: Caret): ComposerModel {
  if (text === model.text) return { ...model, caret };
  const edit = editBetween(model.text, text, caret.end);
  const step = { ...edit, removed: model.text.slice(edit.start, edit.start + edit.removed) };
  return { ...applied(model, edit), caret, undo: pushed(model.undo, step), redo: [] };
}

/** The model with an edit made in its text; the caret comes to stand behind it. */
export function applied(model: ComposerModel, edit: Edit): ComposerModel {
  const end = edit.start + edit.removed;
  const text = model.text.slice(0, edit.start) + edit.inserted + model.text.slice(end);
  const at = edit.start + edit.inserted.length;
  return {
    ...model,
    text,
    caret: { start: at, end: at },
    spans: model.spans.flatMap((span) => spanAfter(span, edit, model.text, text)),
  };
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
    const start = Math.min(span.start, edit.start);
    return [{ ...moved(span, shift), start }];
  }
  return [frozen(span, edit, before, after)];
}

function moved(span: Span, shift: number): Span {
  return {
    ...span,
    start: span.start + shift,
    live: span.live + shift,
    stable: span.stable + shift,
    end: span.end + shift,
  };
}

function finalAfter(span: Span, edit: Edit): Pick<Span, "start" | "live" | "stable" | "end"> {
  const behind = edit.start + edit.inserted.length;
  const start = edit.start < span.start ? behind : span.start;
  const editEnd = edit.start + edit.removed;
  const end = editEnd > span.end ? edit.start : span.end + edit.inserted.length - edit.removed;
  return { start, live: end, stable: end, end };
}

/** A live utterance that was edited: all up to the edit, and the word that it touches, is the user's from now on. */
function frozen(span: Span, edit: Edit, before: string, after: string): Span {
  const editEnd = edit.start + edit.removed;
  const behind = edit.start + edit.inserted.length;
  const start = Math.min(span.start, edit.start);
  const words = wordsOf(before.slice(span.live, span.end));
  const within = editEnd - span.live;
  const joins = touches(after, edit);
  const taken = words.filter((word) => word.start < within || (word.start === within && joins));
  const last = taken.at(-1);
  const overhang = last === undefined ? 0 : Math.max(0, last.end - within);
  const live = behind + overhang;
  const end = Math.max(live, editEnd >= span.end ? behind : span.end + edit.inserted.length - edit.removed);
  const stable = Math.min(end, Math.max(live, span.stable + edit.inserted.length - edit.removed));
  return { ...span, start, live, stable, end, skip: span.skip + taken.length };
}

/** Whether what follows the edit has grown together with it into one word. */
function touches(after: string, edit: Edit): boolean {
  const at = edit.start + edit.inserted.length;
  return /\S/u.test(after.charAt(at)) && /\S/u.test(after.charAt(at - 1));
}

/** The history with one more step; letters of one word, and deletions in a row, are one step. */
function pushed(steps: readonly Step[], step: Step): readonly Step[] {
  const last = steps.at(-1);
  const rest = steps.slice(-STEPS_KEPT, -1);
  if (last !== undefined && last.key === undefined) {
    const isWord = step.removed === "" && last.removed === "" && !/\s/u.test(step.inserted);
    if (isWord && !/\s$/u.test(last.inserted) && last.start + last.inserted.length === step.start) {
      return [...rest, { ...last, inserted: last.inserted + step.inserted }];
    }
    const isDeletion = step.inserted === "" && last.inserted === "";
    if (isDeletion && step.start + step.removed.length === last.start) {
      return [...rest, { ...last, start: step.start, removed: step.removed + last.removed }];
    }
  }
  return [...steps.slice(-STEPS_KEPT), step];
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
