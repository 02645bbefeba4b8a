/** Languages have names, and are found by them. */
import { expect, test } from "vitest";

import { listLanguages, searchLanguages } from "./spoken-languages";

test("languages are named in the page's language; its own and the chosen ones come first", () => {
  const english = { tag: "en", name: "Inglés", ownName: "English" };
  expect(listLanguages(["en"], [], "es")).toEqual({ first: [english], others: [] });
  const { first, others } = listLanguages(null, ["es-MX", "de", "not a tag"], "en");
  expect(first.map(({ tag }) => tag)).toEqual(["en", "es", "de", "es-MX", "not a tag"]);
  expect(others.length).toBeGreaterThan(90);
  expect(others.map(({ tag }) => tag)).not.toContain("de");
});

test.each([
  ["german", "de"],
  ["deut", "de"],
  ["DE", "de"],
  ["francais", "fr"],
  ["日本", "ja"],
])("%s finds %s, accents and case aside", (typed, tag) => {
  const { others } = listLanguages(null, [], "en");
  expect(searchLanguages(others, typed).map((language) => language.tag)).toContain(tag);
  expect(searchLanguages(others, typed).length).toBeLessThan(10);
});
