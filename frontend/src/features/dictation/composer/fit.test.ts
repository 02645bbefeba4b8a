/** What is said into the middle of a text reads as if it had been written there. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { fitCapital, fitFullStop } from "./fit";
import { type ComposerModel, EMPTY } from "./model";
import { type ComposerAction, composerReducer } from "./reducer";

const play = (actions: ComposerAction[], model: ComposerModel = EMPTY): ComposerModel =>
  actions.reduce(composerReducer, model);
/** A text with the caret at `|`. */
const typed = (text: string): ComposerAction => {
  const at = text.indexOf("|");
  return { type: "typed", text: text.replace("|", ""), caret: { start: at, end: at } };
};
const said = (text: string, key = "1.0:1"): ComposerAction => ({ type: "final", key, text });

it.each([
  ["Please | and make it rhyme", "Write a poem.", "Please write a poem and make it rhyme"],
  ["Please |and make it rhyme", "Write a poem.", "Please write a poem and make it rhyme"],
  ["Please |", "Write a poem.", "Please write a poem."],
  ["| and make it rhyme", "Write a poem.", "Write a poem and make it rhyme"],
  ["I agree. | Then go.", "We meet at six.", "I agree. We meet at six. Then go."],
  ["Dear Ana,\n|", "How are you?", "Dear Ana,\nHow are you?"],
  ["List: |", "Bread and milk.", "List: Bread and milk."],
  ["Say |, please", "Good morning.", "Say good morning, please"],
  ["Say it|.", "Again and again.", "Say it again and again."],
  ["I wonder | today", "Are you well?", "I wonder are you well? today"],
  ["We meet at | in town", "Six p.m.", "We meet at six p.m. in town"],
  ["He thinks | a lot", "I know it.", "He thinks I know it a lot"],
  ["We fly to | soon", "New York.", "We fly to New York soon"],
  ["We fly to | soon", "Madrid.", "We fly to Madrid soon"],
  ["I live in |", "Los Angeles.", "I live in Los Angeles."],
  ["We fly to | soon", "Great Britain.", "We fly to Great Britain soon"],
  ["Voy a |", "El Salvador.", "Voy a El Salvador."],
  ["Dame |", "Los libros de Ana.", "Dame los libros de Ana."],
  ["They come on |", "Monday at six.", "They come on Monday at six."],
  ["The |", "NASA is big.", "The NASA is big."],
  ["I think |", "Madrid is big.", "I think Madrid is big."],
  ["I think |", "In Madrid it rains.", "I think in Madrid it rains."],
  ["Por favor | y que rime", "Escribe un poema.", "Por favor escribe un poema y que rime"],
  ["Dime |", "¿Qué hora es?", "Dime ¿qué hora es?"],
  ["你好|吗", "他们。", "你好他们。吗"],
])("%j and %j are %j", (text, words, expected) => {
  expect(play([typed(text), said(words)]).text).toBe(expected);
});

it("is the same while the words come, and after undo and redo", () => {
  const before = play([typed("Please | and rhyme")]);
  const live = play([{ type: "partial", key: "1.0:1", text: "Write a", stable: "Write" }], before);
  expect(live.text).toBe("Please write a and rhyme");
  const done = play([said("Write a poem.")], live);
  expect(done.text).toBe("Please write a poem and rhyme");
  const undone = play([{ type: "undo" }], done);
  expect(undone.text).toBe(before.text);
  expect(play([{ type: "redo" }], undone).text).toBe(done.text);
});

it("leaves one dictated sentence after another as they were said", () => {
  const first = play([said("We go home.", "1.0:1"), said("Then we sleep.", "1.0:2")]);
  expect(first.text).toBe("We go home. Then we sleep.");
  const open: ComposerAction = { type: "partial", key: "1.0:1", text: "We go", stable: "" };
  const second: ComposerAction = { type: "partial", key: "1.0:2", text: "Then we", stable: "" };
  expect(play([open, second]).text).toBe("We go Then we"); // the first has no full stop yet
});

describe("whatever is said wherever", () => {
  const words = fc.string({
    unit: fc.constantFrom("a", "B", "ñ", "İ", ".", " ", ",", "?", "7", "\n"),
    maxLength: 12,
  });

  it("only the case of one letter and one full stop may differ", () => {
    fc.assert(
      fc.property(words, words, words, (before, text, behind) => {
        const whole = text.trim();
        const fitted = fitFullStop(fitCapital(whole, before), behind);
        expect([whole, whole.slice(0, -1)].map((one) => one.toLowerCase())).toContain(fitted.toLowerCase());
        const changed = [...fitted].filter((letter, at) => letter !== [...whole][at]);
        expect(changed.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("undo gives back the text around, and redo what was said", () => {
    fc.assert(
      fc.property(words, words, words, (before, text, behind) => {
        const around = play([typed(`${before}|${behind}`)]);
        const done = play([said(text)], around);
        expect(done.text.startsWith(before) && done.text.endsWith(behind)).toBe(true);
        const undone = play([{ type: "undo" }], done);
        if (text.trim() === "") return;
        expect(undone.text).toBe(around.text);
        expect(play([{ type: "redo" }], undone).text).toBe(done.text);
      }),
    );
  });
});
