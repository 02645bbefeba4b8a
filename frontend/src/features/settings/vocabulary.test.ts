/** What is typed becomes a vocabulary that the server accepts. */
import { expect, test } from "vitest";

import { MAX_VOCABULARY_TERMS } from "@/shared/lib/settings";

import { MAX_TERM_CHARS, parseVocabulary } from "./vocabulary";

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
