/** What the engine does to the text: an utterance comes at the caret, is rewritten in its own place, and settles. */

import { moved, pushed } from "./edit";
import { type ComposerModel, EMPTY, type Page, type Said, type Span, type Step } from "./model";
import { matchingCut, needsSpace, wordsOf } from "./words";

/** What is told of an utterance: all of it so far. */
export interface Told {
  key: string;
  text: string;
  /** The prefix of `text` that will not change any more. */
  stable: string;
}

/** The model after a partial, or (`isFinal`) the last word on an utterance; an empty one takes it back. */
export function heard(model: ComposerModel, told: Told, isFinal: boolean): ComposerModel {
  const known = withPlaceFor(model, told);
  if (known.said[told.key]?.state === "final") return known;
  const now: Said = { text: told.text, stable: told.stable, state: isFinal ? "final" : "live" };
  return refreshed({ ...known, said: { ...known.said, [told.key]: now } }, told.key);
}

/** The dictation broke off: the next one says its open utterances again, in the same places. */
export function orphaned(model: ComposerModel, dictation: string): ComposerModel {
  return inState(model, dictation, (state) => (state === "live" ? "orphan" : state));
}

/** No more is told of any utterance of a dictation: what there is stays. */
export function frozen(model: ComposerModel, dictation: string): ComposerModel {
  return inState(model, dictation, () => "final");
}

/** A dictation was cancelled: what is not final of it goes, but for what the user has edited. */
export function withdrawn(model: ComposerModel, dictation: string): ComposerModel {
  return Object.keys(model.said)
    .filter((key) => dictationOf(key) === dictation && model.said[key]?.state !== "final")
    .reduce((next, key) => heard(next, { key, text: "", stable: "" }, true), model);
}

/** The text was sent: the model without it. What is still told of its utterances is dropped. */
export function sent(model: ComposerModel): ComposerModel {
  const open = Object.keys(model.said).filter((key) => model.said[key]?.state !== "final");
  const said = Object.fromEntries(Object.entries(model.said).filter(([key]) => open.includes(key)));
  return { ...EMPTY, said };
}

/** The model with its open utterances as they were told last: with one of them, or all. */
export function refreshed(model: ComposerModel, only?: string): ComposerModel {
  return model.spans.reduce((next, { key }) => {
    const span = next.spans.find((one) => one.key === key);
    const said = next.said[key];
    if (span === undefined || said === undefined || span.state === "final") return next;
    if (only !== undefined && key !== only) return next;
    const isTold = only === undefined && span.said === said.text && span.state === said.state;
    const rewritten = isTold ? next : rewrite(next, { ...span, state: said.state }, said);
    return said.state === "final" ? settled(rewritten, key) : rewritten;
  }, model);
}

/** Keys are `dictation.number:utterance`. */
function dictationOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf(".")));
}

function inState(
  model: ComposerModel,
  dictation: string,
  to: (state: Said["state"]) => Said["state"],
): ComposerModel {
  const entries = Object.entries(model.said).map(([key, said]) =>
    dictationOf(key) === dictation
      ? ([key, { ...said, state: to(said.state) }] as const)
      : ([key, said] as const),
  );
  return refreshed({ ...model, said: Object.fromEntries(entries) });
}

/** The model with the utterance in it: where it was, where the orphan was that it says again, or at the caret. */
function withPlaceFor(model: ComposerModel, told: Told): ComposerModel {
  if (told.key in model.said) return model;
  const orphan = Object.keys(model.said).find(
    (key) => model.said[key]?.state === "orphan" && dictationOf(key) === dictationOf(told.key),
  );
  if (orphan !== undefined) return renamed(model, orphan, told.key);
  if (told.text.trim() === "") return model;
  const at = placeAt(model);
  const span: Span = {
    key: told.key,
    state: "live",
    start: at,
    live: at,
    end: at,
    stable: at,
    said: "",
    skip: 0,
  };
  const spans = [...model.spans, span].sort((one, other) => one.start - other.start || one.end - other.end);
  return { ...model, spans, undo: pushed(model, told.key), redo: [], typingAt: null };
}

function renamed(model: ComposerModel, from: string, to: string): ComposerModel {
  const page = <T extends Page>(one: T): T => ({
    ...one,
    spans: one.spans.map((span) => (span.key === from ? { ...span, key: to } : span)),
  });
  const step = (one: Step): Step => ({ ...page(one), key: one.key === from ? to : one.key });
  const { [from]: _, ...said } = model.said;
  return {
    ...page(model),
    said,
    undo: model.undo.map(step),
    redo: model.redo.map(step),
  };
}

/** The caret, or the end of the utterance that it stands in: one is never said into another. */
function placeAt(model: ComposerModel): number {
  const at = model.caret.end;
  const around = model.spans.find((span) => span.state !== "final" && span.start < at && at < span.end);
  return around?.end ?? at;
}

function rewrite(model: ComposerModel, span: Span, told: Said): ComposerModel {
  const skip = span.skip === 0 ? 0 : matchingCut(span.said, told.text, span.skip);
  const words = wordsOf(told.text);
  const from = skip === 0 ? 0 : (words[skip]?.start ?? told.text.length);
  const said = told.text.slice(from).trim();
  const before = model.text.slice(0, span.live);
  const behind = model.text.slice(span.end);
  const lead = needsSpace(before.slice(-1), said) ? " " : "";
  const trail = needsSpace(said.slice(-1), behind.slice(0, 1)) ? " " : "";
  const inserted = said === "" ? "" : lead + said + trail;
  const sure = Math.max(0, Math.min(told.stable.length - from, said.length));
  const next: Span = {
    ...span,
    end: span.live + inserted.length,
    stable: span.live + (sure === 0 ? 0 : lead.length + sure),
    said: told.text,
    skip,
  };
  return replaced(model, span, next, before + inserted + behind);
}

/** The model with `[live, end)` of a span rewritten, and all that stands behind it moved. */
function replaced(model: ComposerModel, old: Span, next: Span, text: string): ComposerModel {
  const shift = next.end - old.end;
  const spans = model.spans.map((span) => {
    if (span.key === old.key) return next;
    if (span.start >= old.end) return moved(span, shift);
    return span.end > old.start ? grown(span, shift) : span; // a final one, into which this one is said
  });
  const typingAt = model.typingAt === null ? null : follow(model.typingAt, old, shift);
  const caret = { start: follow(model.caret.start, old, shift), end: follow(model.caret.end, old, shift) };
  return { ...model, text, caret, spans, typingAt };
}

/** What stands behind the utterance stays behind it, what stands before it before; inside, it keeps its place. */
function follow(at: number, old: Span, shift: number): number {
  return at >= old.end ? at + shift : Math.min(at, Math.max(old.live, old.end + shift));
}

function grown(span: Span, by: number): Span {
  const end = span.end + by;
  return { ...span, live: end, stable: end, end };
}

/** The utterance is the text's from now on; one without any text leaves nothing to undo. */
function settled(model: ComposerModel, key: string): ComposerModel {
  const span = model.spans.find((one) => one.key === key);
  if (span === undefined) return model;
  if (span.start === span.end) {
    const wasTyping = (step: Step): boolean => step.key !== key;
    return { ...model, spans: model.spans.filter((one) => one !== span), undo: model.undo.filter(wasTyping) };
  }
  const done: Span = { ...span, state: "final", live: span.end, stable: span.end };
  return { ...model, spans: model.spans.map((one) => (one === span ? done : one)) };
}
