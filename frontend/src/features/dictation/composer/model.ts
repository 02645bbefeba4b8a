/** The text being composed: what was typed, what was dictated, the caret, and what can be undone. Values only. */

/** A selection; `start` equals `end` where nothing is selected. In characters, as a textarea counts them. */
export interface Caret {
  start: number;
  end: number;
}

/**
 * Where one utterance stands in the text. The engine may rewrite `[live, end)` and nothing else: the user has
 * edited what lies in `[start, live)`, or the utterance is final.
 */
export interface Span {
  /** The utterance: unique among all that this page has heard. */
  key: string;
  /** `live`: may change; `orphan`: its dictation broke off and the next one says it again; `final`: done. */
  state: "live" | "orphan" | "final";
  start: number;
  live: number;
  end: number;
  /** How far the text is certain not to change: from `live` to `end`. */
  stable: number;
  /** All of the utterance, as the engine told it last. */
  said: string;
  /** How many words of `said` are not the engine's any more. */
  skip: number;
}

/** What was told of an utterance last. */
export interface Said {
  text: string;
  stable: string;
  state: Span["state"];
}

/** The text at some time. */
export interface Page {
  text: string;
  caret: Caret;
  /** Those that are not final lie in the order of the text and do not overlap. */
  spans: readonly Span[];
}

/** The page as it was before one thing happened: an edit, or (with `key`) an utterance. */
export interface Step extends Page {
  key: string | null;
}

export interface ComposerModel extends Page {
  undo: readonly Step[];
  redo: readonly Step[];
  /** Where the typing ended that the next letter belongs to as one step; null where a new step begins. */
  typingAt: number | null;
  /**
   * Utterances by key. An older page that is gone back to shows what was told since; one without a span was sent or
   * undone while it was open, and what is still told of it is not shown.
   */
  said: Readonly<Record<string, Said>>;
}

export const EMPTY: ComposerModel = {
  text: "",
  caret: { start: 0, end: 0 },
  spans: [],
  undo: [],
  redo: [],
  typingAt: null,
  said: {},
};

/** A stretch of text that is shown in one way. */
export interface Piece {
  kind: "typed" | "stable" | "unstable";
  text: string;
}

/** The text cut by how certain it is; the pieces joined are the text. */
export function piecesOf(model: ComposerModel): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  const take = (kind: Piece["kind"], to: number): void => {
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

/** The text without what may still change by itself. */
export function settledText(model: ComposerModel): string {
  const sure = piecesOf(model).filter(({ kind }) => kind !== "unstable");
  return sure.map(({ text }) => text).join("");
}

/** Whether some of the text may still change by itself. */
export function isUnsettled(model: ComposerModel): boolean {
  return model.spans.some((span) => span.state !== "final");
}

/** What `undo` would take back: an utterance, typing, or nothing. */
export function undoKind(model: ComposerModel): "utterance" | "typing" | null {
  const step = model.undo.at(-1);
  if (step === undefined) return null;
  return step.key === null ? "typing" : "utterance";
}
