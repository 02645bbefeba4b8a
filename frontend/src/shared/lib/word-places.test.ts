/** Words are found in their text, in order, whatever stands around them. */
import { expect, test } from "vitest";

import { locateWords, readTimedWords } from "./word-places";

const timed = (word: string, start_ms = 0) => ({ word, start_ms, confidence: 1 });

test("each word has its own place, also one that comes twice", () => {
  const text = "¿Qué, qué dices?";
  const places = locateWords(text, [timed("¿Qué,"), timed("qué", 300), timed("dices?", 500)]);
  expect(places.map(({ start, end }) => text.slice(start, end))).toEqual(["Qué", "qué", "dices"]);
  expect(places.map(({ startMs }) => startMs)).toEqual([0, 300, 500]);
});

test("a word that is not there is left out", () => {
  expect(locateWords("one two", [timed("one"), timed("three"), timed("two")])).toHaveLength(2);
});

test("what is no word with a time is passed over", () => {
  expect(readTimedWords(null)).toEqual([]);
  expect(readTimedWords([timed("one"), { word: "two" }, 3])).toEqual([timed("one")]);
});
