/** The one door to the composed text: what a person and an engine do to it, as actions. */

import { typed } from "./edit";
import { redone, undone } from "./history";
import type { Caret, ComposerModel } from "./model";
import { frozen, heard, orphaned, sent, withdrawn } from "./utterance";

export type ComposerAction =
  /** The user has edited: the whole text, and the caret where the edit left it. */
  | { type: "typed"; text: string; caret: Caret }
  | { type: "caret_moved"; caret: Caret }
  | { type: "partial"; key: string; text: string; stable: string }
  /** Empty where the utterance came to nothing. */
  | { type: "final"; key: string; text: string }
  /** A dictation, which the keys of its utterances begin with, is begun anew, from the start of what is open. */
  | { type: "restarted"; dictation: string }
  /** The dictation is over: nothing of it changes by itself any more. */
  | { type: "ended"; dictation: string }
  /** The same, and what was not final yet is taken back. */
  | { type: "cancelled"; dictation: string }
  | { type: "sent" }
  /** Another text altogether: a draft, a message to be edited, one that could not be sent. */
  | { type: "replaced"; text: string }
  | { type: "undo" }
  | { type: "redo" };

export function composerReducer(model: ComposerModel, action: ComposerAction): ComposerModel {
  switch (action.type) {
    case "typed":
      return typed(model, action.text, action.caret);
    case "caret_moved":
      return { ...model, caret: action.caret, typingAt: null };
    case "partial":
      return heard(model, action, false);
    case "final":
      return heard(model, { ...action, stable: action.text }, true);
    case "restarted":
      return orphaned(model, action.dictation);
    case "ended":
      return frozen(model, action.dictation);
    case "cancelled":
      return withdrawn(model, action.dictation);
    case "sent":
      return sent(model);
    case "replaced":
      return replacedBy(model, action.text);
    case "undo":
      return undone(model);
    case "redo":
      return redone(model);
  }
}

function replacedBy(model: ComposerModel, text: string): ComposerModel {
  const caret = { start: text.length, end: text.length };
  return { ...sent(model), text, caret };
}
