/** Ages are those of the reader's calendar. */
import { expect, test } from "vitest";

import type { Conversation } from "@/shared/api/types";

import { getAge, groupByAge } from "./age-groups";

const now = new Date(2026, 10, 21, 0, 30);

test.each([
  [new Date(2026, 10, 21, 0, 1), "today"],
  [new Date(2026, 10, 20, 23, 59), "yesterday"],
  [new Date(2026, 10, 14, 12), "week"],
  [new Date(2026, 10, 13, 12), "older"],
  [new Date(2026, 10, 21, 9), "today"], // a clock that is behind
])("%s is %s", (changed, age) => {
  expect(getAge(changed.toISOString(), now)).toBe(age);
});

test("headings stand once, in order", () => {
  const of = (day: number) => ({ updated_at: new Date(2026, 10, day).toISOString() }) as Conversation;
  expect(
    groupByAge([of(21), of(21), of(20), of(2)], now).map((group) => [group.age, group.conversations.length]),
  ).toEqual([
    ["today", 2],
    ["yesterday", 1],
    ["older", 1],
  ]);
  expect(groupByAge([], now)).toEqual([]);
});
