/** What of an answer is read aloud: the same sentences in however many pieces it comes. */
import fc from "fast-check";
import { expect, it } from "vitest";

import { SentenceReader, type SpokenPiece, stripInline } from "./sentences";

const tell = (piece: SpokenPiece): string => (piece.kind === "code" ? `<${piece.language}>` : piece.text);
const read = (answer: string): string[] => new SentenceReader().take(answer, true).map(tell);

it("reads sentence by sentence, as they are complete", () => {
  const reader = new SentenceReader();
  const take = (answer: string, isOver = false) => reader.take(answer, isOver).map(tell);
  expect(take("The sea")).toEqual([]);
  expect(take("The sea is blue.")).toEqual([]); // or is it 3.5?
  expect(take("The sea is blue. It is")).toEqual(["The sea is blue."]);
  expect(take("The sea is blue. It is deep! And")).toEqual(["It is deep!"]);
  expect(take("The sea is blue. It is deep! And", true)).toEqual(["And"]);
  expect(take("The sea is blue. It is deep! And", true)).toEqual([]);
});

it.each([
  ["## A **list**, reversed\n\nSome *emphasis*.", ["A list, reversed", "Some emphasis."]],
  ["1. First\n2. Second one\n   goes on\n- [x] done", ["First", "Second one goes on", "done"]],
  ["> What was\n> said.", ["What was said."]],
  [
    "See [the page](https://example.com/a_b). Or https://www.example.com/x?y=1 now.",
    ["See the page.", "Or example.com now."],
  ],
  ["Before:\n\n```python\nprint('a. b. c.')\n```\n\nAfter.", ["Before:", "<python>", "After."]],
  ["~~~\nx\n~~~", ["<>"]],
  ["| a | b |\n| --- | :-: |\n| one | two |", ["a, b", "one, two"]],
  [
    "Dr. Smith paid 3.50 euros, e.g. in coins. Sra. Díaz too.",
    ["Dr. Smith paid 3.50 euros, e.g. in coins.", "Sra. Díaz too."],
  ],
  ["¿Qué tal? ¡Bien!", ["¿Qué tal?", "¡Bien!"]],
  ["今日は。明日も。", ["今日は。", "明日も。"]],
  ["Well done 🎉👍🏽!", ["Well done !"]],
  ["---\n\n***\n\n* * *", []],
  ["A line\nthat goes on.\n\nAnother", ["A line that goes on.", "Another"]],
  ["", []],
])("reads %j as %j", (answer, sentences) => expect(read(answer)).toEqual(sentences));

it("takes marks away and leaves words as they are", () => {
  expect(stripInline("a **b** _c_ snake_case `d` \\*e\\* 2 * 3 &amp; <b>f</b> ![g](h.png)[^1]")).toBe(
    "a b c snake_case d e 2 * 3 & f g",
  );
});

it("cuts a sentence that a voice would not get through", () => {
  const parts = read(`${"one two three four, ".repeat(40)}end.`);
  expect(parts.every((part) => part.length <= 200)).toBe(true);
  expect(parts.join(" ")).toBe(`${"one two three four, ".repeat(40)}end.`);
  expect(read("x".repeat(500)).map((part) => part.length)).toEqual([200, 200, 100]);
});

const line = fc.constantFrom(
  "One. Two! Three",
  "# Head. ing",
  "- item one. more",
  "2. second",
  "```js",
  "```",
  "",
  "> quote. of",
  "| a | b |",
  "| - | - |",
  "plain **bold. text** on",
  "[a. b](http://c.d/e) f.",
  "Dr. Who? e.g. me.",
);

it("reads the same in however many pieces the answer comes", () => {
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 12 }),
      fc.array(fc.nat(300), { maxLength: 12 }),
      (lines, cuts) => {
        const answer = lines.join("\n");
        const reader = new SentenceReader();
        const pieces = [...cuts]
          .sort((a, b) => a - b)
          .flatMap((cut) => reader.take(answer.slice(0, cut), false));
        const words = [...pieces, ...reader.take(answer, true)].map(tell).join(" ");
        expect(words).toBe(read(answer).join(" "));
      },
    ),
  );
});
