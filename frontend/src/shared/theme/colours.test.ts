/** Colours are read as people write them, and moved no further than a contrast asks for. */
import fc from "fast-check";
import { expect, test } from "vitest";

import {
  adjust,
  BLACK,
  type Channels,
  chooseOver,
  formatColour,
  hasContrast,
  measureContrast,
  mix,
  parseColour,
  WHITE,
} from "./colours";

const channel = fc.integer({ min: 0, max: 255 });
const anyColour = fc.tuple(channel, channel, channel) as fc.Arbitrary<Channels>;

test.each([
  ["#fff", [255, 255, 255]],
  ["#A1b2C3", [161, 178, 195]],
  ["rgb(1, 2, 3)", [1, 2, 3]],
  ["rgb(1 2 3)", [1, 2, 3]],
  ["rgb(256, 0, 0)", null],
  ["#ffff", null],
  ["red", null],
  ["url(x)", null],
  ["", null],
])("%j is read as %j", (text, expected) => {
  expect(parseColour(text)).toEqual(expected);
});

test("what is written is read again", () => {
  fc.assert(
    fc.property(anyColour, (colour) => {
      expect(parseColour(formatColour(colour))).toEqual(colour);
    }),
  );
});

test("contrasts are those of the guideline", () => {
  expect(measureContrast(BLACK, WHITE)).toBe(21);
  expect(measureContrast([0x77, 0x77, 0x77], WHITE)).toBeCloseTo(4.48, 2);
  fc.assert(
    fc.property(anyColour, anyColour, (one, other) => {
      expect(measureContrast(one, other)).toBe(measureContrast(other, one));
      expect(measureContrast(one, other)).toBeGreaterThanOrEqual(1);
    }),
  );
});

test("black or white can be read on any colour", () => {
  fc.assert(
    fc.property(anyColour, (colour) => {
      expect(measureContrast(chooseOver([colour]), colour)).toBeGreaterThanOrEqual(4.5);
    }),
  );
});

test("any colour can be read on any surface once it is adjusted, and one that can be is kept", () => {
  fc.assert(
    fc.property(anyColour, anyColour, fc.constantFrom(3, 4.5), (colour, behind, least) => {
      const rule = { least, tint: 0 };
      const adjusted = adjust(colour, [behind], rule);
      expect(hasContrast(adjusted, [behind], rule)).toBe(true);
      if (hasContrast(colour, [behind], rule)) expect(adjusted).toEqual(colour);
    }),
  );
});

test("a mixture is between its parts", () => {
  fc.assert(
    fc.property(anyColour, anyColour, fc.double({ min: 0, max: 1, noNaN: true }), (under, over, share) => {
      mix(under, over, share).forEach((part, at) => {
        const ends = [under[at] ?? 0, over[at] ?? 0];
        expect(part).toBeGreaterThanOrEqual(Math.min(...ends));
        expect(part).toBeLessThanOrEqual(Math.max(...ends));
      });
    }),
  );
});
