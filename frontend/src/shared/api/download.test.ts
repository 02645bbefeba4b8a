/** Names of files, as the server tells them. */
import { expect, test } from "vitest";

import { parseFileName } from "./download";

test.each([
  ["attachment; filename=\"trip.md\"; filename*=UTF-8''caf%C3%A9.md", "café.md"],
  ['attachment; filename="a \\"b\\".md"', 'a "b".md'],
  ["attachment; filename=\"x.md\"; filename*=UTF-8''%E9", "x.md"],
  ["attachment", null],
  [null, null],
])("%j is %j", (disposition, name) => {
  expect(parseFileName(disposition)).toBe(name);
});
