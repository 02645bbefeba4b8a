/** Weights are graded by how they hear; sizes, parts and remaining times are rounded honestly. */
import { expect, test } from "vitest";

import type { Fetch } from "@/shared/api/types";

import { gradeHearing, percentOf, secondsLeft } from "./checkpoints";

test.each([
  [7.6, "basic"],
  [5, "good"],
  [3.4, "veryGood"],
  [2.9, "excellent"],
  [2.7, "best"],
  [null, null],
])("%j percent of words wrong are graded %j", (percent, grade) => {
  expect(gradeHearing(percent)).toBe(grade);
});

test.each([
  [0, 100, 0],
  [999, 1000, 99],
  [1000, 1000, 100],
  [1200, 1000, 100],
  [5, 0, 0],
])("%j of %j are %j percent", (part, whole, percent) => {
  expect(percentOf(part, whole)).toBe(percent);
});

test("where nothing comes, no time is promised", () => {
  const fetch: Fetch = {
    name: "base",
    state: "fetching",
    done_bytes: 400,
    total_bytes: 1000,
    bytes_per_s: 100,
    error: null,
  };
  expect(secondsLeft(fetch)).toBe(6);
  expect(secondsLeft({ ...fetch, bytes_per_s: null })).toBeNull();
  expect(secondsLeft({ ...fetch, bytes_per_s: 0 })).toBeNull();
});
