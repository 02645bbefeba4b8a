/** The time left counts down to 0. */
import { expect, it } from "vitest";

import { countSecondsUntil } from "./time-left";

it("counts down to nothing", () => {
  const end = "2026-11-21T04:05:00Z";
  const at = (time: string) => countSecondsUntil(end, Date.parse(time));
  expect([at("2026-11-21T04:00:00Z"), at("2026-11-21T04:04:59.5Z"), at("2026-11-21T05:00:00Z")]).toEqual([
    300, 1, 0,
  ]);
  expect(countSecondsUntil(null, 0)).toBeNull();
  expect(countSecondsUntil("soon", 0)).toBeNull();
});
