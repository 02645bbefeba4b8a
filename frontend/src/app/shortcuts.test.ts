/** In a text field plain keys are letters; shortcuts do not depend on case; Escape leads back. */
import { expect, test } from "vitest";

import { findShortcut, findWayOut } from "./shortcuts";

const key = (
  name: string,
  held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {},
) => ({
  ...{ key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false },
  ...held,
});

test.each([
  [key("?", { shiftKey: true }), false, "sheet"],
  [key("?", { shiftKey: true }), true, null],
  [key("k", { ctrlKey: true }), true, "jump"],
  [key("K", { metaKey: true }), true, "jump"],
  [key("O", { ctrlKey: true, shiftKey: true }), false, "new"],
  [key("k"), false, null],
  [key("k", { ctrlKey: true, altKey: true }), false, null],
  [key("Escape"), true, "leave"],
])("%o while typing is %s: %s", (event, typing, expected) => {
  expect(findShortcut(event, typing)).toBe(expected);
});

test.each([
  ["/settings", "/c/a"],
  ["/dictations", "/c/a"],
  ["/dictations/d1", "/dictations"],
  ["/c/b", null],
  ["/", null],
])("Escape leads from %s to %s", (path, to) => {
  expect(findWayOut(path, "/c/a")).toBe(to);
});
