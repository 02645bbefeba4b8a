/** Doubted words and missing parts are found in a final, move with the text, and go when edited. */
import { describe, expect, it } from "vitest";

import { DOUBTED_BELOW } from "@/shared/api/confidence";

import { findMarks } from "./marks";
import { type ComposerModel, EMPTY, listMarks, splitPieces } from "./model";
import { type ComposerAction, composerReducer } from "./reducer";

const SURE = 0.9;
const UNSURE = DOUBTED_BELOW - 0.1;

/** Words of 100 ms each; a word with `?` at its end is doubted. */
function say(marked: string, uncovered: [number, number][] = []) {
  const spoken = marked.split(" ");
  const words = spoken.map((word, index) => ({
    word: word.replace("?", ""),
    start_ms: index * 100,
    confidence: word.endsWith("?") ? UNSURE : SURE,
  }));
  const gaps = uncovered.map(([start_ms, end_ms]) => ({ start_ms, end_ms }));
  const text = words.map(({ word }) => word).join(" ");
  return { text, marks: findMarks(text, { startMs: 0, endMs: 100 * words.length, words, uncovered: gaps }) };
}

function final(key: string, marked: string, more: { isJoined?: boolean; gaps?: [number, number][] } = {}) {
  const { text, marks } = say(marked, more.gaps);
  return { type: "final", key, text, marks, isJoined: more.isJoined ?? false } as const;
}

function run(actions: ComposerAction[], from: ComposerModel = EMPTY): ComposerModel {
  return actions.reduce(composerReducer, from);
}

/** The user replaces `removed` characters at `start`. */
function edited(model: ComposerModel, start: number, removed: number, inserted: string): ComposerModel {
  const text = model.text.slice(0, start) + inserted + model.text.slice(start + removed);
  const end = start + inserted.length;
  return run([{ type: "typed", text, caret: { start: end, end } }], model);
}

const doubted = (model: ComposerModel): string[] =>
  listMarks(model)
    .filter(({ kind }) => kind === "doubt")
    .map(({ start, end }) => model.text.slice(start, end));
/** The text with `^` where words are missing. */
const shown = (model: ComposerModel): string =>
  splitPieces(model)
    .map(({ kind, text }) => (kind === "gap" ? "^" : text))
    .join("");

describe("words that the engine doubts", () => {
  it("are marked without the punctuation around them, and only once", () => {
    const model = run([final("1.1:1", "Ardau,? he said: Ardau saw the unock.?")]);
    expect(doubted(model)).toEqual(["Ardau", "unock"]);
    expect(splitPieces(model).filter(({ kind }) => kind === "doubt")).toHaveLength(2);
    expect(listMarks(model)[0]?.start).toBe(0);
  });

  it("are found where the words do not cover the text, and in scripts without spaces", () => {
    const word = (text: string, confidence: number) => ({ word: text, start_ms: 0, confidence });
    const details = { startMs: 0, endMs: 1000, uncovered: [] };
    const english = [word("one", UNSURE), word("nine", UNSURE), word("three", UNSURE)];
    expect(findMarks("one two three", { ...details, words: english })).toMatchObject([
      { start: 0, end: 3 },
      { start: 8, end: 13 },
    ]);
    const chinese = [word("你好", SURE), word("世界", UNSURE)];
    expect(findMarks("你好，世界。", { ...details, words: chinese })).toMatchObject([{ start: 3, end: 5 }]);
  });

  it("move with the text around them", () => {
    let model = run([final("1.1:1", "the unock? is here"), final("1.1:2", "and the oter?")]);
    model = edited(model, 0, 0, "Well, ");
    model = edited(model, model.text.indexOf("is"), 2, "was");
    expect(model.text).toBe("Well, the unock was here and the oter");
    expect(doubted(model)).toEqual(["unock", "oter"]);
    model = edited(model, model.text.indexOf("here"), 5, "");
    expect(doubted(model)).toEqual(["unock", "oter"]);
  });

  it.each([
    ["a letter inside", 5, 0, "x"],
    ["a letter at its end", 9, 0, "s"],
    ["a letter at its start", 4, 0, "u"],
    ["the space before it", 3, 1, ""],
    ["the space behind it", 9, 1, ""],
    ["a part of it", 8, 3, ""],
    ["the whole of it", 4, 5, "clock"],
    ["the whole text", 0, 17, "x"],
  ])("are not marked any more after an edit of %s", (_, start, removed, inserted) => {
    const model = run([final("1.1:1", "the unock? is gone")]);
    expect(doubted(model)).toEqual(["unock"]);
    expect(doubted(edited(model, start, removed, inserted))).toEqual([]);
  });

  it.each([
    ["a comma behind it", 9, 0, ","],
    ["a space before it", 4, 0, " "],
    ["a word before it", 4, 0, "big "],
    ["a word behind it", 9, 0, " not"],
  ])("stay marked after %s", (_, start, removed, inserted) => {
    expect(doubted(edited(run([final("1.1:1", "the unock? is gone")]), start, removed, inserted))).toEqual([
      "unock",
    ]);
  });

  it("come and go with undo and redo, and go with what is sent", () => {
    const model = run([final("1.1:1", "the unock? is gone")]);
    const undone = run([{ type: "undo" }], edited(model, 4, 5, "clock"));
    expect(doubted(undone)).toEqual(["unock"]);
    expect(doubted(run([{ type: "redo" }], undone))).toEqual([]);
    expect(doubted(run([{ type: "sent" }], model))).toEqual([]);
  });

  it("are not marked where the user took them over before the final", () => {
    const model = run([
      { type: "partial", key: "1.1:1", text: "the unock is", stable: "" },
      { type: "typed", text: "the clock is", caret: { start: 9, end: 9 } },
      final("1.1:1", "the unock? is gonne?"),
    ]);
    expect(model.text).toBe("the clock is gonne");
    expect(doubted(model)).toEqual(["gonne"]);
  });

  it("stay in place where an utterance is said into the middle, but not in a word that it splits", () => {
    const model = run([final("1.1:1", "one twwo? three foour?")]);
    const behind = run([{ type: "caret_moved", caret: { start: 8, end: 8 } }, final("1.1:2", "and")], model);
    expect(behind.text).toBe("one twwo and three foour");
    expect(doubted(behind)).toEqual(["twwo", "foour"]);
    const within = run([{ type: "caret_moved", caret: { start: 6, end: 6 } }, final("1.1:2", "and")], model);
    expect(doubted(within)).toEqual(["foour"]);
  });
});

describe("missing words", () => {
  it("are shown where the audio has them", () => {
    expect(shown(run([final("1.1:1", "one two three", { gaps: [[110, 180]] })]))).toBe("one two ^three");
    expect(shown(run([final("1.1:1", "one two three", { gaps: [[300, 900]] })]))).toBe("one two three^");
    expect(shown(run([final("1.1:1", "one two three", { gaps: [[-100, 0]] })]))).toBe("^one two three");
  });

  it("are placed by their share of the utterance where the engine tells no words", () => {
    const at = (start_ms: number): number | undefined =>
      findMarks("one two three four", {
        startMs: 1000,
        endMs: 2000,
        words: [],
        uncovered: [{ start_ms, end_ms: start_ms }],
      })[0]?.start;
    expect([at(1000), at(1500), at(2000), at(9000)]).toEqual([0, 8, 18, 18]);
  });

  it("are said into their place, which is not marked any more", () => {
    const model = run([final("1.1:1", "one two three", { gaps: [[110, 180]] }), final("1.1:2", "Four.")]);
    expect(shown(model)).toBe("one two ^three Four.");
    const there = run([{ type: "gap_taken", at: 8 }], model);
    expect(shown(there)).toBe("one two three Four.");
    expect(run([final("1.1:3", "and a half")], there).text).toBe("one two and a half three Four.");
  });

  it("stay marked while the dictation goes on behind them, and not where words are typed or said", () => {
    const end = run([final("1.1:1", "one two", { gaps: [[200, 900]] }), final("1.1:2", "Four.")]);
    expect(shown(end)).toBe("one two^ Four.");
    const model = run([final("1.1:1", "one two three", { gaps: [[110, 180]] })]);
    expect(shown(edited(model, 8, 0, "and "))).toBe("one two and three");
    expect(shown(edited(model, 0, 3, "ONE"))).toBe("ONE two ^three");
    expect(
      shown(run([{ type: "caret_moved", caret: { start: 8, end: 8 } }, final("1.1:2", "and")], model)),
    ).toBe("one two and three");
  });
});

describe("a sentence that goes on", () => {
  it.each([
    ["He asked himself.", "something warm.", "He asked himself something warm."],
    ["He asked himself …", "something warm.", "He asked himself something warm."],
    ["Ask not...", "what you can do", "Ask not what you can do"],
    ["¿Qué hora es?", "en Madrid", "¿Qué hora es en Madrid"],
    ["one, two,", "three", "one, two, three"],
    ["...", "three", "... three"],
  ])("%j and %j are %j", (one, other, whole) => {
    const model = run([final("1.1:1", one), final("1.1:2", other, { isJoined: true })]);
    expect(model.text).toBe(whole);
    expect(model.caret.end).toBe(whole.length);
  });

  it("keeps the full stop until it is certain, and gives it back with undo", () => {
    const speaking = run([
      final("1.1:1", "He asked himself."),
      { type: "partial", key: "1.1:2", text: "Something", stable: "" },
    ]);
    expect(speaking.text).toBe("He asked himself. Something");
    const done = run([final("1.1:2", "something warm.", { isJoined: true })], speaking);
    expect(done.text).toBe("He asked himself something warm.");
    const undone = run([{ type: "undo" }], done);
    expect(undone.text).toBe("He asked himself.");
    expect(run([{ type: "redo" }], undone).text).toBe("He asked himself something warm.");
  });

  it("follows the same rule in the middle of a text, and moves what is marked", () => {
    const model = run([
      { type: "typed", text: "Start.  End.", caret: { start: 7, end: 7 } },
      final("1.1:1", "the unock?"),
      { type: "partial", key: "1.1:2", text: "Is", stable: "" },
      final("1.1:2", "is gonne?.", { isJoined: true }),
    ]);
    expect(model.text).toBe("Start. the unock is gonne. End.");
    const dotted = run([
      { type: "typed", text: "Start.  End.", caret: { start: 7, end: 7 } },
      final("1.1:1", "the unock.?"),
      final("1.1:2", "is gonne?", { isJoined: true }),
    ]);
    expect(dotted.text).toBe("Start. the unock is gonne End.");
    expect(doubted(dotted)).toEqual(["unock", "gonne"]);
  });

  it("changes nothing where the user wrote between, moved on, or chose another mark", () => {
    const first = run([final("1.1:1", "He asked.")]);
    const joined = final("1.1:2", "something", { isJoined: true });
    expect(run([joined], edited(first, 9, 0, " Well.")).text).toBe("He asked. Well. something");
    expect(run([joined], edited(first, 8, 1, "!")).text).toBe("He asked! something");
    const moved = run([{ type: "caret_moved", caret: { start: 0, end: 0 } }, joined], first);
    expect(moved.text).toBe("something He asked.");
    expect(run([final("2.1:1", "something", { isJoined: true })], first).text).toBe("He asked. something");
    expect(run([joined], run([{ type: "sent" }], first)).text).toBe("something");
  });
});
