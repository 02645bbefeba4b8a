/** What is typed becomes a list that the server takes. */
import { expect, test } from "vitest";

import { spokenLanguages } from "./languages";
import { LONGEST_TERM, MOST_TERMS, termsOf } from "./vocabulary";

test("one term a line, each once, without the blanks", () => {
  expect(termsOf(" PROMPTer \r\n\nAna  María\nPROMPTer")).toEqual({
    terms: ["PROMPTer", "Ana  María"],
    dropped: false,
  });
});

test("what the server would refuse is left out, and that is told", () => {
  expect(termsOf("x".repeat(LONGEST_TERM + 1))).toEqual({ terms: [], dropped: true });
  const many = Array.from({ length: MOST_TERMS + 1 }, (_, n) => `term ${n}`).join("\n");
  expect(termsOf(many).terms).toHaveLength(MOST_TERMS);
  expect(termsOf("👍".repeat(LONGEST_TERM)).dropped).toBe(false);
});

test("languages are named in the page's language, and the chosen one is never missing", () => {
  expect(spokenLanguages(["en"], "auto", "es")).toEqual([{ tag: "en", name: "Inglés" }]);
  expect(spokenLanguages(["en"], "es-MX", "en").map((language) => language.tag)).toContain("es-MX");
  expect(spokenLanguages(null, "not a tag", "en").map((language) => language.name)).toContain("not a tag");
});
