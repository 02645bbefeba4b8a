/** Snippets are cut where the server counts. */
import { expect, test } from "vitest";

import type { SearchHit } from "@/shared/api/types";

import { groupHits, splitSnippet } from "./search-results";

test("matches are counted in characters, not in halves of them", () => {
  expect(splitSnippet("👍 the beach", [[2, 5]])).toEqual([
    { text: "👍 ", isMatch: false },
    { text: "the", isMatch: true },
    { text: " beach", isMatch: false },
  ]);
  expect(splitSnippet("all", [[0, 3]])).toEqual([{ text: "all", isMatch: true }]);
});

test("a conversation is found once, with its places; two versions with the same words are one place", () => {
  const hit = (kind: SearchHit["kind"], conversation: string | null, snippet: string, dictation?: string) =>
    ({ kind, conversation_id: conversation, dictation_id: dictation ?? null, snippet }) as SearchHit;
  const groups = groupHits([
    hit("message", "a", "the beach, again"),
    hit("message", "b", "a beach"),
    hit("dictation", null, "beach", "d"),
    hit("message", "a", "the beach, again"),
    hit("message", "a", "to the beach"),
    hit("title", "a", "Beach"),
  ]);
  expect(
    groups.map(({ key, name, places }) => [key, name?.snippet, places.map(({ snippet }) => snippet)]),
  ).toEqual([
    ["a", "Beach", ["the beach, again", "to the beach"]],
    ["b", undefined, ["a beach"]],
    ["d", undefined, ["beach"]],
  ]);
});
