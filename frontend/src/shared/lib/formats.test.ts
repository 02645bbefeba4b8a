/** Dates have the form of the reader's region, and durations that of a clock. */
import { expect, test } from "vitest";

import { chooseLocale, formatBytes, formatCountdown, formatShortDate, formatTimecode } from "./formats";

test("the browser's region is kept where it speaks the page's language", () => {
  expect(chooseLocale("en", ["es-MX", "en-GB"])).toBe("en-GB");
  expect(chooseLocale("es", ["en-GB"])).toBe("es");
});

test("today has a time, other days have a date", () => {
  const now = new Date(2026, 10, 21, 18);
  expect(formatShortDate(new Date(2026, 10, 21, 9, 5).toISOString(), "en", now)).toMatch(/9:05/);
  expect(formatShortDate(new Date(2026, 10, 20, 9, 5).toISOString(), "en", now)).toMatch(/2026/);
});

test.each([
  [0, "0:00.0"],
  [2210, "0:02.2"],
  [59_990, "0:59.9"],
  [62_300, "1:02.3"],
  [3_661_000, "1:01:01.0"],
])("%i ms is %s", (ms, shown) => {
  expect(formatTimecode(ms)).toBe(shown);
});

test.each([
  [0, "0:00"],
  [65, "1:05"],
  [3845, "1:04:05"],
])("%d s is %s", (seconds, shown) => {
  expect(formatCountdown(seconds)).toBe(shown);
});

test.each([
  [1, "en", "1 byte"],
  [20, "es", "20 bytes"],
  [999, "en", "999 bytes"],
  [12_300, "en", "12 kB"],
  [2_440_000, "es", "2,4 MB"],
  [147_884_203, "en", "148 MB"],
  [3_090_000_000, "en", "3.1 GB"],
  [3_090_000_000, "es", "3,1 GB"],
])("%j bytes in %s are %s", (bytes, language, text) => {
  expect(formatBytes(bytes, language)).toBe(text);
});
