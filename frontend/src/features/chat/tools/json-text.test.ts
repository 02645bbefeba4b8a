/** Arguments and results of tools are readable text: complete, indented, with nothing invisible. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { escapeInvisible, formatValue, indentJson, MAX_CHARS } from "./json-text";

describe("indentJson", () => {
  it("breaks JSON as JSON.stringify would", () => {
    fc.assert(
      fc.property(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())), (value) => {
        const plain: unknown = JSON.parse(JSON.stringify(value));
        expect(indentJson(JSON.stringify(plain))).toBe(JSON.stringify(plain, null, 2));
      }),
    );
  });

  it("keeps every digit", () => {
    expect(indentJson('{"id":12345678901234567890123,"total":380.80}')).toBe(
      '{\n  "id": 12345678901234567890123,\n  "total": 380.80\n}',
    );
  });

  it.each(["{not JSON", "plain", "", '"text"', "42"])("leaves %j as it is", (text) => {
    expect(indentJson(text)).toBe(text);
  });
});

describe("formatValue", () => {
  it("caps what is too long, and says how much", () => {
    expect(formatValue("x".repeat(MAX_CHARS + 7))).toEqual({ text: "x".repeat(MAX_CHARS), omittedChars: 7 });
    expect(formatValue({ a: 1 })).toEqual({ text: '{\n  "a": 1\n}', omittedChars: 0 });
    expect(formatValue(undefined)).toEqual({ text: "", omittedChars: 0 });
  });

  it("writes out what would hide or turn text around", () => {
    expect(escapeInvisible("safe\u202Eexe.txt\u0000")).toBe("safe\\u202eexe.txt\\u0000");
    expect(escapeInvisible("líneas\n\tñ 👩‍👩‍👧 عربي")).toBe("líneas\n\tñ 👩‍👩‍👧 عربي");
  });
});
