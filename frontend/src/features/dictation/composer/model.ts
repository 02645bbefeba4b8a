/** The composed text as a value: typed and dictated words, the caret, and the history of undo. Pure. */

/** A selection, in characters as a textarea counts them. `start` equals `end` where nothing is selected. */
export interface Caret {
  start: number;
  end: number;
}

/** `inserted` replaces `removed` characters at `start`. */
export interface Edit {
  start: number;
  removed: number;
  inserted: string;
}

/** `doubt`: a word that the engine was not sure of; `gap`: words are missing at `start`, which is `end`. */
export interface Mark {
  kind: "doubt" | "gap";
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
  /** In the order of the text; none before the utterance is final. */
  marks: readonly Mark[];
  /** The text of a final as it came to stand, to tell whether it was edited since; null before. */
  settled: string | null;
}

/** What the engine sent last about an utterance. */
export interface Hypothesis {
  text: string;
  stable: string;
  state: Span["state"];
  /** Of a final, in characters of its text. */
  marks: readonly Mark[];
  /** The final goes on with the sentence of the final before it. */
  isJoined: boolean;
}

/** The text at one moment. */
export interface ComposerSnapshot {
  text: string;
  caret: Caret;
  /** Those that are not final are in the order of the text and do not overlap. */
  spans: readonly Span[];
}

/** The key of the step before words that were not final were withdrawn. */
export const WITHDRAWAL = "withdrawal";

/** The text before an edit, before the utterance `key`, or before a `WITHDRAWAL`. */
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
  /** The text of a `gap` is empty. */
  kind: "typed" | "stable" | "unstable" | Mark["kind"];
  text: string;
}

/** Split the text by how certain it is, and at its marks; the joined pieces are the text. */
export function splitPieces(model: ComposerModel): TextPiece[] {
  const pieces: TextPiece[] = [];
  let at = 0;
  const take = (kind: TextPiece["kind"], to: number): void => {
    if (to > at) pieces.push({ kind, text: model.text.slice(at, to) });
    at = Math.max(at, to);
  };
  const open = model.spans.filter((span) => span.state !== "final");
  const marked = [...open, ...listMarks(model)].sort((one, other) => one.start - other.start);
  for (const part of marked) {
    if ("live" in part) {
      take("typed", part.live);
      take("stable", part.stable);
      take("unstable", part.end);
    } else {
      take("typed", part.start);
      if (part.kind === "gap") pieces.push({ kind: "gap", text: "" });
      else take("doubt", part.end);
    }
  }
  take("typed", model.text.length);
  return pieces;
}

/** The marks of all finals, in the order of the text. */
export function listMarks({ spans }: ComposerSnapshot): Mark[] {
  return spans.flatMap((span) => span.marks).sort((one, other) => one.start - other.start);
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

/** What undo would take back: an utterance, words that were withdrawn, typing, or nothing. */
export function getNextUndoKind(model: ComposerModel): "utterance" | "withdrawal" | "typing" | null {
  const step = model.undo.at(-1);
  if (step === undefined) return null;
  if (step.key === WITHDRAWAL) return "withdrawal";
  return step.key === null ? "typing" : "utterance";
}
