/** Times of a dictation as they are read. */
import { expect, test } from "vitest";

import { clock } from "./clock";

test.each([
  [0, "0:00.0"],
  [2210, "0:02.2"],
  [59_990, "0:59.9"],
  [62_300, "1:02.3"],
  [3_661_000, "1:01:01.0"],
])("%i ms is %s", (ms, shown) => {
  expect(clock(ms)).toBe(shown);
});
