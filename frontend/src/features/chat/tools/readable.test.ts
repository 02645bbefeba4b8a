/** What tools are asked and give is text that can be read: whole, in lines, without tricks. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { indented, MOST_CHARS, readable, visible } from "./json-text";
import { clockOf, secondsLeft } from "./time-left";

describe("indented", () => {
  it("breaks JSON as JSON.stringify would", () => {
    fc.assert(
      fc.property(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())), (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(indented(JSON.stringify(plain))).toBe(JSON.stringify(plain, null, 2));
      }),
    );
  });

  it("keeps every digit", () => {
    expect(indented('{"id":12345678901234567890123,"total":380.80}')).toBe(
      '{\n  "id": 12345678901234567890123,\n  "total": 380.80\n}',
    );
  });

  it.each(["{not JSON", "plain", "", '"text"', "42"])("leaves %j as it is", (text) => {
    expect(indented(text)).toBe(text);
  });
});

describe("readable", () => {
  it("caps what is too long, and says how much", () => {
    expect(readable("x".repeat(MOST_CHARS + 7))).toEqual({ text: "x".repeat(MOST_CHARS), cut: 7 });
    expect(readable({ a: 1 })).toEqual({ text: '{\n  "a": 1\n}', cut: 0 });
    expect(readable(undefined)).toEqual({ text: "", cut: 0 });
  });

  it("writes out what would hide or turn text around", () => {
    expect(visible("safe\u202Eexe.txt\u0000")).toBe("safe\\u202eexe.txt\\u0000");
    expect(visible("líneas\n\tñ 👩‍👩‍👧 عربي")).toBe("líneas\n\tñ 👩‍👩‍👧 عربي");
  });
});

describe("time left", () => {
  it("counts down to nothing", () => {
    const end = "2026-11-21T04:05:00Z";
    const at = (time: string) => secondsLeft(end, Date.parse(time));
    expect([at("2026-11-21T04:00:00Z"), at("2026-11-21T04:04:59.5Z"), at("2026-11-21T05:00:00Z")]).toEqual([
      300, 1, 0,
    ]);
    expect(secondsLeft(null, 0)).toBeNull();
    expect(secondsLeft("soon", 0)).toBeNull();
  });

  it.each([
    [0, "0:00"],
    [65, "1:05"],
    [3845, "1:04:05"],
  ])("%d s is %s", (seconds, said) => expect(clockOf(seconds)).toBe(said));
});
