/** The page speaks the browser's language where it can. */
import { expect, test } from "vitest";

import { chooseLanguage } from "./i18n";

test.each([
  ["", ["es-MX", "en"], "es"],
  ["", ["de", "en-GB", "es"], "en"],
  ["", ["de"], "en"],
  ["es", ["en"], "es"],
])("chosen %j and preferred %j give %s", (chosen, preferred, expected) => {
  expect(chooseLanguage(chosen, preferred)).toBe(expected);
});
