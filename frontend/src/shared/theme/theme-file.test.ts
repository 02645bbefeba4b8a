/** A theme file is taken or refused as the server does it, with the token or the line that is wrong. */
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { MOST_BYTES } from "../api/theme-tokens";
import { findBrokenLine } from "./json-lines";
import { formatThemeFile, parseThemeFile, ThemeFileError } from "./theme-file";

interface Case {
  file: { name?: string } | null;
  problem?: string;
  place?: string;
}

const CASES = JSON.parse(readFileSync("../backend/tests/support/theme_cases.json", "utf8")) as Case[];

function refuse(text: string): ThemeFileError | null {
  try {
    parseThemeFile(text);
    return null;
  } catch (error) {
    if (error instanceof ThemeFileError) return error;
    throw error;
  }
}

test.each(CASES.map((one) => [JSON.stringify(one.file), one] as const))("%s", (text, expected) => {
  const refusal = refuse(text);
  expect([refusal?.problem, refusal?.place]).toEqual([expected.problem, expected.place]);
  if (refusal === null) expect(parseThemeFile(text).name).toBe(expected.file?.name);
});

test.each([
  ['{\n"name": x\n}', "line 2"],
  ['{\n"name": "x",\n', "line 2"],
  ['{\n"name": "x",\n}', "line 3"],
  ['{"a": [1, 2,\n\n,3]}', "line 3"],
  ['{"a": "b\nc"}', "line 1"],
  ["{}\n{}", "line 2"],
  ["", "line 1"],
  ["[".repeat(5000), "line 1"],
])("%j is not JSON, and says where", (text, place) => {
  const refusal = refuse(text);
  expect([refusal?.problem, refusal?.place]).toEqual(["not_json", place]);
});

test("a file has a largest size", () => {
  const text = '{"prompter-theme": 1, "name": "ñ"}';
  const bytes = new TextEncoder().encode(text).length;
  expect(refuse(text + " ".repeat(MOST_BYTES - bytes))).toBeNull();
  expect(refuse(text + " ".repeat(MOST_BYTES - bytes + 1))?.problem).toBe("too_big");
});

test("what is written is read again", () => {
  const file = {
    name: "Mañana",
    light: { ink: "#010203" },
    dark: { accent: "#aabbcc" },
    shape: { radius: "4px", font: "mono" },
  } as const;
  expect(parseThemeFile(formatThemeFile(file))).toEqual(file);
});

test("a text has a broken line if it is not JSON, and none if it is", () => {
  fc.assert(
    fc.property(
      fc.json(),
      fc.nat(),
      fc.constantFrom("", "}", ",", '"', ":", "]", "x", "\n"),
      (text, seed, sign) => {
        const at = seed % (text.length + 1);
        const changed = text.slice(0, at) + sign + text.slice(at);
        let isJson = true;
        try {
          JSON.parse(changed);
        } catch {
          isJson = false;
        }
        expect(findBrokenLine(changed) === "").toBe(isJson);
      },
    ),
    { numRuns: 1000 },
  );
});
