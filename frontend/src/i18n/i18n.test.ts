/** The page speaks the language of the browser where it can, and loads only the texts of that one. */
import i18next from "i18next";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { en } from "./en";
import { es } from "./es";
import { chooseLanguage, loadTexts, startI18n, startInAnyLanguage } from "./i18n";

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

describe("a page that begins", () => {
  const hasTexts = () =>
    ["en", "es"].filter((language) => i18next.hasResourceBundle(language, "translation"));
  const forget = () => ["en", "es"].forEach((one) => i18next.removeResourceBundle(one, "translation"));
  beforeEach(forget);
  afterEach(() => {
    vi.doUnmock("./es");
    vi.doUnmock("./en");
  });
  afterAll(() => startI18n("en"));
  const lose = (path: string) =>
    vi.doMock(path, () => {
      throw new TypeError("away");
    });

  test.each(["en", "es"] as const)("loads the texts of %s, and no others", async (language) => {
    await startInAnyLanguage(language);
    expect([hasTexts(), document.documentElement.lang]).toEqual([[language], language]);
    expect(i18next.t("common.keySend")).toBe({ en: "Send", es: "Enviar" }[language]);
  });

  test("is in the other language where its own does not load", async () => {
    lose("./es");
    await startInAnyLanguage("es");
    expect([hasTexts(), document.documentElement.lang]).toEqual([["en"], "en"]);
  });

  test("says so where no texts load", async () => {
    lose("./es");
    lose("./en");
    await expect(startInAnyLanguage("es")).rejects.toThrow();
    expect(hasTexts()).toEqual([]);
  });

  test("shows texts at each moment of a change, and never their names", async () => {
    await startInAnyLanguage("es");
    const changed = startI18n("en");
    expect(i18next.t("common.keySend")).toBe("Enviar");
    expect(i18next.t("common.keySend", { lng: "en" })).toBe("Enviar");
    await changed;
    expect(i18next.t("common.keySend")).toBe("Send");
  });
});

/** The names of all texts; the forms of a plural are one. */
function listTexts(texts: object, prefix = ""): string[] {
  return Object.entries(texts).flatMap(([name, value]) =>
    typeof value === "object" && value !== null
      ? listTexts(value as object, `${prefix}${name}.`)
      : [`${prefix}${name.replace(/_(zero|one|two|few|many|other)$/, "")}`],
  );
}

test("no language needs another one for a text that it lacks", () => {
  expect(new Set(listTexts(es))).toEqual(new Set(listTexts(en)));
});

test("texts of another language are there for what is read aloud in it", async () => {
  i18next.removeResourceBundle("es", "translation");
  await loadTexts("es");
  expect([i18next.t("common.keySend"), i18next.t("common.keySend", { lng: "es" })]).toEqual([
    "Send",
    "Enviar",
  ]);
});
