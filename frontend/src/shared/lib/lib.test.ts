/** Keys have names that can be read, and dates the reader's form. */
import { expect, test } from "vitest";

import { localeOf, shortWhen } from "./dates";
import { keyName } from "./key-name";

test.each([
  ["Space", "Espacio"],
  ["KeyB", "B"],
  ["Digit1", "1"],
  ["F9", "F9"],
  ["ControlRight", "Control Right"],
])("%s is %s", (code, name) => {
  expect(keyName(code, "Espacio")).toBe(name);
});

test("the browser's region is kept where it speaks the page's language", () => {
  expect(localeOf("en", ["es-MX", "en-GB"])).toBe("en-GB");
  expect(localeOf("es", ["en-GB"])).toBe("es");
});

test("today has a time, other days have a date", () => {
  const now = new Date(2026, 10, 21, 18);
  expect(shortWhen(new Date(2026, 10, 21, 9, 5).toISOString(), "en", now)).toMatch(/9:05/);
  expect(shortWhen(new Date(2026, 10, 20, 9, 5).toISOString(), "en", now)).toMatch(/2026/);
});
