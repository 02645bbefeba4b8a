/** Undo and redo, for typing and for utterances alike: older pages, with what was told since. */

import type { ComposerModel, Step } from "./model";
import { refreshed } from "./utterance";

/** The model before its last step: an utterance is taken out as a whole, and stays out while it is being said. */
export function undone(model: ComposerModel): ComposerModel {
  const step = model.undo.at(-1);
  if (step === undefined) return model;
  const redo = [...model.redo, pageOf(model, step.key)];
  return refreshed({ ...turnedTo(model, step), undo: model.undo.slice(0, -1), redo });
}

/** The model with what was undone last; an utterance comes back with what was told of it meanwhile. */
export function redone(model: ComposerModel): ComposerModel {
  const step = model.redo.at(-1);
  if (step === undefined) return model;
  const undo = [...model.undo, pageOf(model, step.key)];
  return refreshed({ ...turnedTo(model, step), undo, redo: model.redo.slice(0, -1) });
}

function pageOf({ text, caret, spans }: ComposerModel, key: string | null): Step {
  return { text, caret, spans, key };
}

function turnedTo(model: ComposerModel, { text, caret, spans }: Step): ComposerModel {
  return { ...model, text, caret, spans, typingAt: null };
}
