/** Lists of the server come in pages. */
import { expect, test } from "vitest";

import { parseNextLink } from "./queries";

test("the next page is in the Link header", () => {
  expect(parseNextLink('</api/search?q=a%3Eb&before=7>; rel="next"')).toBe("/api/search?q=a%3Eb&before=7");
  expect(parseNextLink(null)).toBeNull();
});
