/** Keys have names that people can read, and those of an input method do nothing else. */
import { expect, test } from "vitest";

import { isComposing, isEnter, isEscape, nameKey } from "./keyboard";

test.each([
  ["Space", "Espacio"],
  ["KeyB", "B"],
  ["Digit1", "1"],
  ["F9", "F9"],
  ["ControlRight", "Control Right"],
])("%s is %s", (code, name) => {
  expect(nameKey(code, "Espacio")).toBe(name);
});

test.each([
  ["pressed by itself", { keyCode: 13 }, true],
  ["for a new line", { keyCode: 13, shiftKey: true }, false],
  ["during a composition (Chrome, Firefox)", { keyCode: 229, isComposing: true }, false],
  ["after the composition that it ended (Safari)", { keyCode: 229, isComposing: false }, false],
])("Enter %s acts: %#", (_, init, acts) => {
  expect(isEnter(new KeyboardEvent("keydown", { key: "Enter", ...init }))).toBe(acts);
});

test("Escape that ends a composition leaves nothing", () => {
  const init = { key: "Escape", keyCode: 229 };
  expect(isComposing(new KeyboardEvent("keydown", init))).toBe(true);
  expect(isEscape(new KeyboardEvent("keydown", init))).toBe(false);
  expect(isEscape(new KeyboardEvent("keydown", { key: "Escape", keyCode: 27 }))).toBe(true);
});
