/** Snippets are cut where the server counts. */
import { expect, test } from "vitest";

import { splitSnippet } from "./search-results";

test("matches are counted in characters, not in halves of them", () => {
  expect(splitSnippet("👍 the beach", [[2, 5]])).toEqual([
    { text: "👍 ", isMatch: false },
    { text: "the", isMatch: true },
    { text: " beach", isMatch: false },
  ]);
  expect(splitSnippet("all", [[0, 3]])).toEqual([{ text: "all", isMatch: true }]);
});
