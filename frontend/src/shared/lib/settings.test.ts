/** What a person chose is taken over, and nothing else that may lie in the store. */
import { expect, test } from "vitest";

import { DEFAULTS, parseSettings } from "./settings";

test("what was chosen is there again", () => {
  const chosen = { ...DEFAULTS, theme: "light" as const, vocabulary: ["PROMPTer"], autoSend: true };
  expect(parseSettings(JSON.stringify(chosen))).toEqual(chosen);
});

test("a look is taken over, and nothing that is none", () => {
  const look = {
    palette: "sand",
    accent: "#12ab34",
    textSize: "150",
    density: "compact",
    contrast: "high",
  } as const;
  expect(parseSettings(JSON.stringify(look))).toEqual({ ...DEFAULTS, ...look });
  const wrong = {
    palette: "a b",
    accent: "red",
    textSize: "900",
    density: "",
    contrast: "",
    font: "x",
    ownTheme: 1,
  };
  expect(parseSettings(JSON.stringify(wrong))).toEqual(DEFAULTS);
});

test("the page follows the system's theme until one is chosen", () => {
  expect(parseSettings(null).theme).toBe("system");
});

test("the one language of an earlier page is a list of one", () => {
  expect(parseSettings('{"speechLang":"es"}').spokenLangs).toEqual(["es"]);
  expect(parseSettings('{"speechLang":"auto"}').spokenLangs).toEqual([]);
  expect(parseSettings('{"speechLang":"es","spokenLangs":[]}').spokenLangs).toEqual([]);
});

test.each([
  null,
  "",
  "{",
  "[1]",
  "7",
  '{"theme":"pink","autoSend":"yes","vocabulary":[1],"spokenLangs":"es","speechLang":7,"__proto__":{"x":1}}',
])("%j gives the defaults", (text) => {
  expect(parseSettings(text)).toEqual(DEFAULTS);
});
