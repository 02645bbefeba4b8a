/** The page speaks the language of the browser where it can, and loads only the texts of that one. */
import i18next from "i18next";
import { afterAll, describe, expect, test, vi } from "vitest";

import { chooseLanguage, loadTexts, startI18n } from "./i18n";

test.each([
  ["", ["es-MX", "en"], "es"],
  ["", ["de", "en-GB", "es"], "en"],
  ["", ["de"], "en"],
  ["es", ["en"], "es"],
])("chosen %j and preferred %j give %s", (chosen, preferred, expected) => {
  expect(chooseLanguage(chosen, preferred)).toBe(expected);
});

describe("startI18n", () => {
  const send = () => i18next.t("common.keySend");
  afterAll(() => startI18n("en"));

  test("keeps its language, and says so, while the texts of the other cannot be loaded", async () => {
    vi.doMock("./es", () => {
      throw new TypeError("away");
    });
    await expect(startI18n("es")).rejects.toThrow();
    expect([send(), document.documentElement.lang]).toEqual(["Send", "en"]);
    vi.doUnmock("./es");
  });

  test("speaks the other language once its texts are there, and the first one again", async () => {
    const spanish = startI18n("es");
    expect([send(), document.documentElement.lang]).toEqual(["Send", "en"]);
    await spanish;
    expect([send(), document.documentElement.lang]).toEqual(["Enviar", "es"]);
    await startI18n("en");
    expect([send(), document.documentElement.lang]).toEqual(["Send", "en"]);
  });

  test("the last of two changes counts, even where the first takes longer", async () => {
    i18next.removeResourceBundle("es", "translation");
    await Promise.all([startI18n("es"), startI18n("en")]);
    expect([send(), document.documentElement.lang]).toEqual(["Send", "en"]);
  });
});

test("texts of another language are there for what is read aloud in it", async () => {
  i18next.removeResourceBundle("es", "translation");
  await loadTexts("es");
  expect([i18next.t("common.keySend"), i18next.t("common.keySend", { lng: "es" })]).toEqual([
    "Send",
    "Enviar",
  ]);
});
