/** Keys have names that people can read, and those of an input method do nothing else. */
import i18next from "i18next";
import { expect, test } from "vitest";

import { startI18n } from "@/i18n/i18n";

import { isComposing, isEnter, isEscape, nameKey } from "./keyboard";

test.each([
  ["Space", "Space", "Espacio"],
  ["KeyB", "B", "B"],
  ["Digit1", "1", "1"],
  ["F9", "F9", "F9"],
  ["Shift", "Shift", "Mayús"],
  ["Enter", "Enter", "Intro"],
  ["ControlRight", "right Ctrl", "Ctrl derecha"],
  ["CapsLock", "Caps Lock", "Bloq Mayús"],
])("%s is %s, in Spanish %s", async (code, english, spanish) => {
  expect(nameKey(code, i18next.t)).toBe(english);
  await startI18n("es");
  expect(nameKey(code, i18next.t)).toBe(spanish);
  await startI18n("en");
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
