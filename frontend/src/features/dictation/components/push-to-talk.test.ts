/** Where a held key is for talking, and where it writes or presses. */
import { expect, it } from "vitest";

import { startsTalking } from "./push-to-talk";

function element(html: string): Element {
  document.body.innerHTML = html;
  return document.querySelector("[data-at]") ?? document.body;
}

it.each([
  ["Space", "<p data-at>text</p>", true],
  ["Space", "<textarea data-at>text</textarea>", false],
  ["Space", "<textarea data-at data-composer></textarea>", true],
  ["Space", "<textarea data-at data-composer>text</textarea>", false],
  ["Space", "<input data-at>", false],
  ["Space", "<input type=checkbox data-at>", false],
  ["Space", "<button><b data-at>press</b></button>", false],
  ["KeyB", "<button data-at>press</button>", true],
  ["KeyB", "<textarea data-at>text</textarea>", false],
  ["F9", "<textarea data-at>text</textarea>", true],
  ["ControlRight", "<textarea data-at>text</textarea>", true],
])("%s in %s: %s", (code, html, expected) => {
  expect(startsTalking(code, code, element(html))).toBe(expected);
});

it("is the chosen key alone", () => {
  expect(startsTalking("Space", "F9", document.body)).toBe(false);
});
