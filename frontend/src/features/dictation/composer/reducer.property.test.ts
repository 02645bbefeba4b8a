/** The composed text under random typing and dictation: no typed character and no utterance is lost. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { findMarks } from "./marks";
import { type ComposerModel, EMPTY, listMarks, splitPieces } from "./model";
import { type ComposerAction, composerReducer } from "./reducer";
import { splitWords } from "./words";

type Move =
  | { kind: "insert"; at: number; text: string }
  | { kind: "delete"; at: number; length: number }
  | { kind: "caret"; at: number }
  | { kind: "partial" | "final"; words: string[]; stable: number }
  | { kind: "undo" | "redo" | "restart" | "end" };

const place = fc.double({ min: 0, max: 1, noNaN: true });
/** What is typed is in capitals and digits, what is dictated in small letters: so it can be told apart. */
const typing = fc.string({ unit: fc.constantFrom("A", "B", "7", " ", "."), minLength: 1, maxLength: 4 });
const speech = fc.array(fc.constantFrom("a", "bb", "ccc", "d,", "ee."), { maxLength: 7 });
const edits: fc.Arbitrary<Move>[] = [
  fc.record({ kind: fc.constant("insert" as const), at: place, text: typing }),
  fc.record({ kind: fc.constant("delete" as const), at: place, length: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant("caret" as const), at: place }),
];
const told = fc.record({
  kind: fc.constantFrom("partial" as const, "final" as const),
  words: speech,
  stable: fc.nat(5),
});
const rest = fc.record({
  kind: fc.constantFrom("undo" as const, "redo" as const, "restart" as const, "end" as const),
});

function actionOf(move: Move, model: ComposerModel, utterance: number): ComposerAction {
  const { text } = model;
  switch (move.kind) {
    case "insert": {
      const at = Math.floor(move.at * text.length);
      const end = at + move.text.length;
      return {
        type: "typed",
        text: text.slice(0, at) + move.text + text.slice(at),
        caret: { start: end, end },
      };
    }
    case "delete": {
      const at = Math.floor(move.at * text.length);
      return {
        type: "typed",
        text: text.slice(0, at) + text.slice(at + move.length),
        caret: { start: at, end: at },
      };
    }
    case "caret": {
      const at = Math.floor(move.at * text.length);
      return { type: "caret_moved", caret: { start: at, end: at } };
    }
    case "partial":
      return {
        type: "partial",
        key: String(utterance),
        text: move.words.join(" "),
        stable: move.words.slice(0, move.stable).join(" "),
      };
    case "final": {
      const words = move.words.map((word, index) => ({
        word,
        start_ms: index * 100,
        confidence: (index + move.stable) % 2,
      }));
      const text = move.words.join(" ");
      const gap = { start_ms: move.stable * 100, end_ms: move.stable * 100 };
      const marks = findMarks(text, { startMs: 0, endMs: 700, words, uncovered: [gap] });
      return { type: "final", key: String(utterance), text, marks, isJoined: move.stable % 2 === 0 };
    }
    case "restart":
      return { type: "restarted", dictation: "" };
    case "end":
      return { type: "ended", dictation: "" };
    default:
      return { type: move.kind };
  }
}

function check(model: ComposerModel): void {
  let at = 0;
  for (const span of model.spans) {
    expect(span.end).toBeLessThanOrEqual(model.text.length);
    if (span.state !== "final") expect(span.start).toBeGreaterThanOrEqual(at);
    expect([span.start, span.live, span.stable, span.end]).toEqual(
      [span.start, span.live, span.stable, span.end].sort((one, other) => one - other),
    );
    if (span.state !== "final") at = span.end;
  }
  expect(model.caret.end).toBeLessThanOrEqual(model.text.length);
  for (const { kind, start, end } of listMarks(model)) {
    expect(start).toBeGreaterThanOrEqual(0);
    expect(end).toBeLessThanOrEqual(model.text.length);
    // What is marked is a whole word as it was dictated.
    if (kind === "doubt") expect(model.text.slice(start, end)).toMatch(/^(a|bb|ccc|d|ee)$/u);
    if (kind === "doubt") expect(model.text.slice(Math.max(0, start - 1), end + 1)).not.toMatch(/[A-Z7]/u);
  }
  expect(
    splitPieces(model)
      .map((piece) => piece.text)
      .join(""),
  ).toBe(model.text);
}

const typedIn = (text: string): string => text.replace(/[^A-Z7]/gu, "");

/** Thousands of runs, on a machine that may be busy. */
const TIMEOUT_MS = 30_000;

describe("any typing and dictation at once", { timeout: TIMEOUT_MS }, () => {
  it("keeps its spans in order, and what was typed untouched by what is told", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(...edits, told, told, rest), { maxLength: 40 }), (moves) => {
        let model = EMPTY;
        let utterance = 0;
        for (const move of moves) {
          const before = model;
          model = composerReducer(model, actionOf(move, model, utterance));
          check(model);
          if (move.kind === "final" || move.kind === "restart" || move.kind === "end") utterance += 1;
          if (!["insert", "delete", "undo", "redo"].includes(move.kind)) {
            expect(typedIn(model.text)).toBe(typedIn(before.text));
          }
          if (move.kind === "insert" || move.kind === "delete") {
            const back = composerReducer(model, { type: "undo" });
            if (model.undo.length > before.undo.length) expect(back.text).toBe(before.text);
          }
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("loses no word and says none twice, where nothing is deleted and the engine keeps its word", () => {
    const insertion = fc.record({ at: place, told: fc.nat(9) });
    fc.assert(
      fc.property(
        fc.array(fc.nat(9), { minLength: 1, maxLength: 9 }),
        fc.array(insertion, { maxLength: 5 }),
        (words, meanwhile) => {
          const sentence = words.map(
            (word, index) => `w${"abcdefghij".charAt(word)}${"klmnopqrs".charAt(index)}`,
          );
          let model = EMPTY;
          for (const { at, told: count } of [...meanwhile].sort((one, other) => one.told - other.told)) {
            const text = sentence.slice(0, count + 1).join(" ");
            model = composerReducer(model, { type: "partial", key: "1", text, stable: "" });
            const gaps = [0, ...[...model.text.matchAll(/ /gu)].map((gap) => gap.index), model.text.length];
            const gap = gaps[Math.floor(at * (gaps.length - 1))] ?? 0;
            const caret = { start: gap + 3, end: gap + 3 };
            model = composerReducer(model, {
              type: "typed",
              text: `${model.text.slice(0, gap)} X ${model.text.slice(gap)}`,
              caret,
            });
          }
          model = composerReducer(model, { type: "final", key: "1", text: sentence.join(" ") });
          const dictated = splitWords(model.text)
            .map((word) => word.normalized)
            .filter((word) => word !== "x");
          expect(dictated).toEqual(sentence);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("is all undone, and all redone, by as many steps as were made", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(...edits, told), { maxLength: 20 }), (moves) => {
        let model = EMPTY;
        let utterance = 0;
        for (const move of moves) {
          model = composerReducer(model, actionOf(move, model, utterance));
          if (move.kind === "final") utterance += 1;
        }
        const ended = composerReducer(model, { type: "ended", dictation: "" });
        let back = ended;
        while (back.undo.length > 0) back = composerReducer(back, { type: "undo" });
        check(back);
        let again = back;
        while (again.redo.length > 0) again = composerReducer(again, { type: "redo" });
        check(again);
        if (!moves.some((move) => move.kind === "delete")) expect(typedIn(back.text)).toBe("");
      }),
      { numRuns: 2000 },
    );
  });
});
