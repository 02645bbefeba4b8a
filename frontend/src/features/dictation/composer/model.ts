/** The composed text as a value: typed and dictated words, the caret, and the history of undo. Pure. */

/** A selection, in characters as a textarea counts them. `start` equals `end` where nothing is selected. */
export interface Caret {
  start: number;
  end: number;
}

/**
 * The place of one utterance in the text. The engine may rewrite `[live, end)` only: `[start, live)` was
 * edited by the user, or the utterance is final.
 */
export interface Span {
  /** The key of the utterance, unique on this page. */
  key: string;
  /**
   * `live`: may change; `orphan`: its dictation broke off, and the next one sends it again; `final`: done.
   */
  state: "live" | "orphan" | "final";
  start: number;
  live: number;
  end: number;
  /** Where the stable text ends, between `live` and `end`. */
  stable: number;
  /** The whole utterance, as the engine sent it last. */
  fullText: string;
  /** How many words of `fullText` the user has taken over. */
  skippedWords: number;
}

/** What the engine sent last about an utterance. */
export interface Hypothesis {
  text: string;
  stable: string;
  state: Span["state"];
}

/** The text at one moment. */
export interface ComposerSnapshot {
  text: string;
  caret: Caret;
  /** Those that are not final are in the order of the text and do not overlap. */
  spans: readonly Span[];
}

/** The text before an edit, or before the utterance `key`. */
export interface UndoStep extends ComposerSnapshot {
  key: string | null;
}

export interface ComposerModel extends ComposerSnapshot {
  undo: readonly UndoStep[];
  redo: readonly UndoStep[];
  /** Where typing ended: the next letter there belongs to the same undo step. Null starts a new step. */
  typingAt: number | null;
  /**
   * Utterances by key. After an undo, a span shows the newest text of its utterance. An utterance without a
   * span was sent or undone while it was open: it is not shown any more.
   */
  hypotheses: Readonly<Record<string, Hypothesis>>;
}

export const EMPTY: ComposerModel = {
  text: "",
  caret: { start: 0, end: 0 },
  spans: [],
  undo: [],
  redo: [],
  typingAt: null,
  hypotheses: {},
};

/** A part of the text that is shown in one style. */
export interface TextPiece {
  kind: "typed" | "stable" | "unstable";
  text: string;
}

/** Split the text by how certain it is; the joined pieces are the text. */
export function splitPieces(model: ComposerModel): TextPiece[] {
  const pieces: TextPiece[] = [];
  let at = 0;
  const take = (kind: TextPiece["kind"], to: number): void => {
    if (to > at) pieces.push({ kind, text: model.text.slice(at, to) });
    at = Math.max(at, to);
  };
  for (const span of model.spans) {
    if (span.state === "final") continue;
    take("typed", span.live);
    take("stable", span.stable);
    take("unstable", span.end);
  }
  take("typed", model.text.length);
  return pieces;
}

/** The text without words that the engine may still change. */
export function getSettledText(model: ComposerModel): string {
  const certain = splitPieces(model).filter(({ kind }) => kind !== "unstable");
  return certain.map(({ text }) => text).join("");
}

/** Whether the engine may still change some of the text. */
export function hasOpenUtterance(model: ComposerModel): boolean {
  return model.spans.some((span) => span.state !== "final");
}

/** What undo would take back: an utterance, typing, or nothing. */
export function getNextUndoKind(model: ComposerModel): "utterance" | "typing" | null {
  const step = model.undo.at(-1);
  if (step === undefined) return null;
  return step.key === null ? "typing" : "utterance";
}
