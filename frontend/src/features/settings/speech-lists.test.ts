/** What is typed becomes a vocabulary that the server accepts, and languages have names. */
import { expect, test } from "vitest";

import { MAX_VOCABULARY_TERMS } from "@/shared/lib/settings";

import { listLanguages, MAX_TERM_CHARS, parseVocabulary, searchLanguages } from "./speech-lists";

test("one term a line, each once, without the blanks", () => {
  expect(parseVocabulary(" PROMPTer \r\n\nAna  María\nPROMPTer")).toEqual({
    terms: ["PROMPTer", "Ana  María"],
    hasDropped: false,
  });
});

test("what the server would refuse is left out, and that is told", () => {
  expect(parseVocabulary("x".repeat(MAX_TERM_CHARS + 1))).toEqual({ terms: [], hasDropped: true });
  const many = Array.from({ length: MAX_VOCABULARY_TERMS + 1 }, (_, n) => `term ${n}`).join("\n");
  expect(parseVocabulary(many).terms).toHaveLength(MAX_VOCABULARY_TERMS);
  expect(parseVocabulary("👍".repeat(MAX_TERM_CHARS)).hasDropped).toBe(false);
});

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
