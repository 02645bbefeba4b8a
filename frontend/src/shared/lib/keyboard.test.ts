/** Keys have names that people can read. */
import { expect, test } from "vitest";

import { nameKey } from "./keyboard";

test.each([
  ["Space", "Espacio"],
  ["KeyB", "B"],
  ["Digit1", "1"],
  ["F9", "F9"],
  ["ControlRight", "Control Right"],
])("%s is %s", (code, name) => {
  expect(nameKey(code, "Espacio")).toBe(name);
});
