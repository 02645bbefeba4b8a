/** Ages are those of the reader's calendar. */
import { expect, test } from "vitest";

import type { Conversation } from "@/shared/api/types";

import { pieces } from "../search/pieces";
import { ageOf, grouped } from "./groups";
import { nextOf } from "./pages";

const now = new Date(2026, 10, 21, 0, 30);

test.each([
  [new Date(2026, 10, 21, 0, 1), "today"],
  [new Date(2026, 10, 20, 23, 59), "yesterday"],
  [new Date(2026, 10, 14, 12), "week"],
  [new Date(2026, 10, 13, 12), "older"],
  [new Date(2026, 10, 21, 9), "today"], // a clock that is behind
])("%s is %s", (changed, age) => {
  expect(ageOf(changed.toISOString(), now)).toBe(age);
});

test("headings stand once, in order", () => {
  const of = (day: number) => ({ updated_at: new Date(2026, 10, day).toISOString() }) as Conversation;
  expect(
    grouped([of(21), of(21), of(20), of(2)], now).map((group) => [group.age, group.conversations.length]),
  ).toEqual([
    ["today", 2],
    ["yesterday", 1],
    ["older", 1],
  ]);
  expect(grouped([], now)).toEqual([]);
});

test("the next page is in the Link header", () => {
  expect(nextOf('</api/search?q=a%3Eb&before=7>; rel="next"')).toBe("/api/search?q=a%3Eb&before=7");
  expect(nextOf(null)).toBeNull();
});

test("matches are counted in characters, not in halves of them", () => {
  expect(pieces("👍 the beach", [[2, 5]])).toEqual([
    { text: "👍 ", matched: false },
    { text: "the", matched: true },
    { text: " beach", matched: false },
  ]);
  expect(pieces("all", [[0, 3]])).toEqual([{ text: "all", matched: true }]);
});
