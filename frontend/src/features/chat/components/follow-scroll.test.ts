/** The page shouldFollow its text until the reader goes up, and again once they come back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { computeNextTop, measureDistanceToEnd, shouldFollow } from "./follow-scroll";

const at = (top: number, height = 2000, view = 500) => ({ top, height, view });

describe("follows", () => {
  it("yields to a reader who goes up, however little", () => {
    expect(shouldFollow(true, at(1500), at(1490))).toBe(false);
  });
  it("yields also while the text grows in every frame", () => {
    expect(shouldFollow(true, at(1500), at(1400, 2200))).toBe(false);
  });
  it("shouldFollow again at the end", () => {
    expect(shouldFollow(false, at(1000), at(1480))).toBe(true);
    expect(shouldFollow(false, at(1000), at(1300))).toBe(false);
  });
  it("is not misled by text that moves by itself", () => {
    expect(shouldFollow(true, at(1500), at(1300, 1800))).toBe(true); // the text got shorter
    expect(shouldFollow(true, at(1500), at(1500, 2400))).toBe(true); // it grew
    expect(shouldFollow(true, at(1500), at(1400, 2000, 400))).toBe(true); // a keyboard came up
  });
});

describe("nextTop", () => {
  it("comes to the end in the end, and never past it", () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.integer({ min: 100, max: 900 }), (height, view) => {
        let now = { top: 0, height, view };
        let frames = 0;
        while (measureDistanceToEnd(now) >= 1 && frames < 60) {
          const top = computeNextTop(now);
          expect(top).toBeGreaterThan(now.top);
          expect(top).toBeLessThanOrEqual(Math.max(0, height - view));
          now = { ...now, top };
          frames += 1;
        }
        expect(measureDistanceToEnd(now)).toBeLessThan(1);
      }),
    );
  });
});
