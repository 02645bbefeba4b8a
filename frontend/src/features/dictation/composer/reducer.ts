/** All changes to the composed text, by the user and by the engine, as actions. Pure. */
import { applyTyping } from "./edit";
import { replaceDictated } from "./heard-again";
import type { Caret, ComposerModel, Mark, Span, UndoStep } from "./model";
import {
  applyUpdate,
  clearAfterSending,
  finishUtterances,
  holdPlace,
  isHold,
  orphanUtterances,
  refreshSpans,
  releasePlace,
  withdrawUtterances,
} from "./utterance";

export type ComposerAction =
  /** The user has edited: the whole new text and the new caret. */
  | { type: "typed"; text: string; caret: Caret }
  | { type: "caret_moved"; caret: Caret }
  /** The user will say again what is missing at a place: the caret goes there. */
  | { type: "gap_taken"; at: number }
  | { type: "partial"; key: string; text: string; stable: string }
  /** The text is empty where the utterance was discarded. */
  | { type: "final"; key: string; text: string; marks?: readonly Mark[]; isJoined?: boolean }
  /**
   * The dictation starts again with its open utterances. The keys of its utterances start with `dictation`.
   */
  | { type: "restarted"; dictation: string }
  /** What is said from now on is heard later: its words belong at the caret, or at `at`. */
  | { type: "held"; dictation: string; at?: number }
  /** All that was held has its words. */
  | { type: "released"; dictation: string }
  /** The dictation is over: its utterances do not change any more. */
  | { type: "ended"; dictation: string }
  /** The dictation is over, and what was not final is removed, until that is undone. */
  | { type: "cancelled"; dictation: string }
  | { type: "sent" }
  /** The dictation was heard again: this text takes the place of what came from it, if that is not edited. */
  | { type: "heard_again"; dictation: string; text: string }
  /** Another text takes the place of all: a draft. */
  | { type: "replaced"; text: string }
  | { type: "undo" }
  | { type: "redo" };

export function composerReducer(model: ComposerModel, action: ComposerAction): ComposerModel {
  switch (action.type) {
    case "typed":
      return applyTyping(model, action.text, action.caret);
    case "caret_moved":
      return { ...model, caret: action.caret, typingAt: null };
    case "gap_taken":
      return takeGap(model, action.at);
    case "partial":
      return applyUpdate(model, action, false);
    case "final":
      return applyUpdate(model, { ...action, stable: action.text }, true);
    case "restarted":
      return orphanUtterances(model, action.dictation);
    case "held":
      return holdPlace(model, action.dictation, action.at);
    case "released":
      return releasePlace(model, action.dictation);
    case "ended":
      return releasePlace(finishUtterances(model, action.dictation), action.dictation);
    case "cancelled":
      return withdrawUtterances(model, action.dictation);
    case "sent":
      return clearAfterSending(model);
    case "heard_again":
      return replaceDictated(model, action.dictation, action.text);
    case "replaced":
      return replaceText(model, action.text);
    case "undo":
      return undo(model);
    case "redo":
      return redo(model);
  }
}

function takeGap(model: ComposerModel, at: number): ComposerModel {
  const spans = model.spans.map((span) => ({
    ...span,
    marks: span.marks.filter((mark) => mark.kind !== "gap" || mark.start !== at),
  }));
  return { ...model, spans, caret: { start: at, end: at }, typingAt: null };
}

function replaceText(model: ComposerModel, text: string): ComposerModel {
  const caret = { start: text.length, end: text.length };
  return { ...clearAfterSending(model), text, caret };
}

/**
 * The model before its last step. An utterance is removed as a whole, and stays out while its updates go on.
 */
export function undo(model: ComposerModel): ComposerModel {
  const step = model.undo.at(-1);
  if (step === undefined) return model;
  const redo = [...model.redo, takeSnapshot(model, step.key)];
  return refreshSpans({ ...restoreSnapshot(model, step), undo: model.undo.slice(0, -1), redo });
}

/** The model with the step that was undone last. An utterance returns with its newest text. */
export function redo(model: ComposerModel): ComposerModel {
  const step = model.redo.at(-1);
  if (step === undefined) return model;
  const undo = [...model.undo, takeSnapshot(model, step.key)];
  return refreshSpans({ ...restoreSnapshot(model, step), undo, redo: model.redo.slice(0, -1) });
}

function takeSnapshot({ text, caret, spans }: ComposerModel, key: string | null): UndoStep {
  return { text, caret, spans, key };
}

function restoreSnapshot(model: ComposerModel, { text, caret, spans }: UndoStep): ComposerModel {
  const isOver = (span: Span): boolean => isHold(span) && !model.spans.some((one) => one.key === span.key);
  return { ...model, text, caret, spans: spans.filter((span) => !isOver(span)), typingAt: null };
}
