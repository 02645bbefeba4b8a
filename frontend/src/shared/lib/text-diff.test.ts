/** What differs between two texts is marked, and nothing is lost. */
import { expect, test } from "vitest";

import { diffTexts } from "./text-diff";

const changed = (one: string, other: string): [string[], string[]] => {
  const [left, right] = diffTexts(one, other);
  expect(left.map(({ text }) => text).join("")).toBe(one);
  expect(right.map(({ text }) => text).join("")).toBe(other);
  const pick = (parts: typeof left) => parts.filter(({ isSame }) => !isSame).map(({ text }) => text.trim());
  return [pick(left), pick(right)];
};

test.each([
  ["the same text", "the same text", [], []],
  ["What time is it?", "what time is it", [], []],
  ["send the mail", "send that mail now", ["the"], ["that", "now"]],
  ["", "all is new", [], ["all is new"]],
  ["all is gone", "", ["all is gone"], []],
  ["今日は晴れ", "今日は雨", ["晴れ"], ["雨"]],
  ["  spaces  stay ", "spaces stay", [""], []],
])("%j against %j", (one, other, left, right) => {
  expect(changed(one, other)).toEqual([left, right]);
});

test("an hour of speech is compared at once, its differences found", () => {
  const words = Array.from({ length: 9000 }, (_, n) => (n % 3 === 0 ? `name${n}` : "and"));
  const other = words.map((word, n) => (n % 1000 === 500 ? "wrong" : word));
  const [left, right] = changed(words.join(" "), other.join(" "));
  expect(right).toHaveLength(9);
  expect(right.join(" ")).toContain("wrong");
  expect(left).toHaveLength(9);
});

test("texts without a word in common differ as a whole", () => {
  const of = (word: string): string => Array.from({ length: 2000 }, () => word).join(" ");
  expect(changed(of("one"), of("two"))).toEqual([[of("one")], [of("two")]]);
});
