/** The composed text under dictation, by example: places of words, edits, undo. */
import { describe, expect, it } from "vitest";

import { type ComposerModel, EMPTY, getNextUndoKind, hasOpenUtterance, splitPieces } from "./model";
import { type ComposerAction, composerReducer } from "./reducer";

function run(actions: ComposerAction[], from: ComposerModel = EMPTY): ComposerModel {
  return actions.reduce(composerReducer, from);
}

function partial(key: string, text: string, stable = ""): ComposerAction {
  return { type: "partial", key, text, stable };
}

function final(key: string, text: string): ComposerAction {
  return { type: "final", key, text };
}

/** `|` in the text is the caret; two of them are a selection. */
function typed(marked: string): ComposerAction {
  const [head = "", middle, tail] = marked.split("|");
  const text = marked.replaceAll("|", "");
  const start = head.length;
  return {
    type: "typed",
    text,
    caret: { start, end: tail === undefined ? start : start + (middle ?? "").length },
  };
}

describe("an utterance", () => {
  it("lands at the caret, with the spaces that it needs", () => {
    const model = run([typed("Dear Ada,|Yours"), partial("1", "thank you"), final("1", "Thank you.")]);
    expect(model.text).toBe("Dear Ada, Thank you. Yours");
    expect(model.caret.end).toBe("Dear Ada, Thank you. ".length);
  });

  it("is shown as certain as it is, and replaced in its own place", () => {
    const speaking = run([typed("Say: |"), partial("1", "what is the", "what is")]);
    expect(splitPieces(speaking)).toEqual([
      { kind: "typed", text: "Say: " },
      { kind: "stable", text: "what is" },
      { kind: "unstable", text: " the" },
    ]);
    expect(hasOpenUtterance(speaking)).toBe(true);
    const done = run([final("1", "What's the time?")], speaking);
    expect(splitPieces(done)).toEqual([{ kind: "typed", text: "Say: What's the time?" }]);
    expect(hasOpenUtterance(done)).toBe(false);
  });

  it("follows the one before it, and nothing is said into an utterance that is open", () => {
    const model = run([
      partial("1", "one two"),
      partial("2", "three"),
      final("1", "One two."),
      final("2", "Three."),
    ]);
    expect(model.text).toBe("One two. Three.");
    const amid = run([
      partial("1", "one two"),
      { type: "caret_moved", caret: { start: 2, end: 2 } },
      partial("2", "three"),
    ]);
    expect(amid.text).toBe("one two three");
  });

  it("that comes to nothing leaves nothing", () => {
    const model = run([typed("a |b"), partial("1", "hm"), final("1", "")]);
    expect(model.text).toBe("a b");
    expect(getNextUndoKind(model)).toBe("typing");
  });

  it("does not take the place of a selection", () => {
    expect(run([typed("keep |this| text"), final("1", "and")]).text).toBe("keep this and text");
  });

  it("needs no spaces where the script has none", () => {
    expect(run([typed("你好，|"), final("1", "世界")]).text).toBe("你好，世界");
    expect(run([typed("¿|"), final("1", "Qué tal?")]).text).toBe("¿Qué tal?");
  });
});

describe("what the user types meanwhile", () => {
  it("stays where it is while the words before it grow", () => {
    const model = run([
      partial("1", "hello wor"),
      typed("hello wor!!!|"),
      partial("1", "hello world and"),
      final("1", "Hello world"),
    ]);
    expect(model.text).toBe("Hello world!!!");
    expect(model.caret.end).toBe(model.text.length);
  });

  it("is kept inside an open utterance, whose other words go on", () => {
    const model = run([
      partial("1", "what is the"),
      typed("When| is the"),
      final("1", "What is the weather like?"),
    ]);
    expect(model.text).toBe("When is the weather like?");
  });

  it("is kept when the engine changes its mind about how many words there were", () => {
    const model = run([
      partial("1", "the ice cream is cold"),
      typed("the ice cream WAS| cold"),
      final("1", "The icecream is cold today."),
    ]);
    expect(model.text).toBe("the ice cream WAS cold today.");
  });

  it("is kept over words that were deleted, which do not come back", () => {
    const model = run([
      partial("1", "well um what is"),
      typed("|what is"),
      final("1", "Well, um, what is it?"),
    ]);
    expect(model.text).toBe("what is it?");
  });

  it("goes before what is still to be said, where everything was deleted", () => {
    const model = run([partial("1", "no no"), typed("|"), typed("Yes|"), final("1", "No no that is it.")]);
    expect(model.text).toBe("Yes that is it.");
  });
});

describe("undo", () => {
  it("takes out an utterance as a whole, then what was typed", () => {
    const model = run([typed("a|"), typed("ab|"), final("1", "one"), final("2", "two")]);
    expect(model.text).toBe("ab one two");
    const once = run([{ type: "undo" }], model);
    expect([once.text, getNextUndoKind(once)]).toEqual(["ab one", "utterance"]);
    expect(run([{ type: "undo" }, { type: "undo" }], once).text).toBe("");
    expect(run([{ type: "undo" }, { type: "redo" }, { type: "redo" }], once).text).toBe("ab one two");
  });

  it("of an utterance that is being said drops what is still told of it", () => {
    const model = run([
      partial("1", "one"),
      { type: "undo" },
      partial("1", "one two"),
      final("1", "one two"),
    ]);
    expect(model.text).toBe("");
    expect(run([{ type: "redo" }], model).text).toBe("one two");
    expect(run([final("2", "three")], model).text).toBe("three");
  });

  it("gives back what was deleted of a live utterance", () => {
    const model = run([
      partial("1", "one two"),
      typed("|two"),
      { type: "undo" },
      final("1", "one two three"),
    ]);
    expect(model.text).toBe("one two three");
    expect(run([{ type: "undo" }], model).text).toBe("");
  });
});

describe("the end of a dictation", () => {
  it("keeps what was on screen when nothing more is told", () => {
    const model = run([partial("1", "half a sen"), { type: "ended", dictation: "" }, final("1", "too late")]);
    expect([model.text, hasOpenUtterance(model)]).toEqual(["half a sen", false]);
  });

  it("of one that is begun anew lets the same words take the same place", () => {
    const model = run([
      partial("1", "half a"),
      typed("half a (typed)|"),
      { type: "restarted", dictation: "" },
      partial("b1", "half"),
      final("b1", "Half a sentence."),
    ]);
    expect(model.text).toBe("Half a sentence. (typed)");
  });

  it("leaves the utterances of another dictation as they are", () => {
    const model = run([partial("a.1:1", "one"), partial("b.1:1", "two"), { type: "ended", dictation: "a" }]);
    expect(model.spans.map(({ key, state }) => [key, state])).toEqual([
      ["a.1:1", "final"],
      ["b.1:1", "live"],
    ]);
  });

  it("by cancelling takes back what is not final, and leaves what was typed", () => {
    const model = run([final("a.1:1", "One."), partial("a.1:2", "two three"), typed("One. TWO| three")]);
    expect(model.text).toBe("One. TWO three");
    const after = run([{ type: "cancelled", dictation: "a" }, final("a.1:2", "Two three.")], model);
    expect(after.text).toBe("One. TWO");
  });

  it("by cancelling loses nothing that was shown: undo brings it back, and takes it away again", () => {
    const model = run([
      final("a.1:1", "One."),
      partial("a.1:2", "two three"),
      { type: "cancelled", dictation: "a" },
      final("a.1:2", "Two three four."),
    ]);
    expect([model.text, getNextUndoKind(model)]).toEqual(["One.", "withdrawal"]);
    const back = run([{ type: "undo" }], model);
    expect([back.text, hasOpenUtterance(back), getNextUndoKind(back)]).toEqual([
      "One. two three",
      false,
      "utterance",
    ]);
    expect(run([{ type: "redo" }], back).text).toBe("One.");
    expect(run([{ type: "undo" }], back).text).toBe("One.");
    expect(run([{ type: "undo" }, { type: "undo" }], back).text).toBe("");
  });

  it("by cancelling before a word is shown leaves nothing to undo", () => {
    const model = run([partial("a.1:1", ""), { type: "cancelled", dictation: "a" }]);
    expect(getNextUndoKind(model)).toBeNull();
  });

  it("by sending drops what comes late, and takes what is new", () => {
    const model = run([partial("1", "sent"), { type: "sent" }, final("1", "Sent."), final("2", "New.")]);
    expect(model.text).toBe("New.");
  });
});
