/** Each code of the server has a wording for people in both languages; others have a plain sentence. */
import i18next from "i18next";
import { beforeAll, describe, expect, test } from "vitest";

import { loadTexts, startI18n } from "@/i18n/i18n";
import { notesEn } from "@/i18n/notes-en";
import { notesEs } from "@/i18n/notes-es";
import { SERVER_NOTES } from "@/shared/api/server-notes";

import { wordError, wordNote } from "./notes";

/** What only whoever set up the server reads: settings, commands, names of programs' parts. */
const TECHNICAL = /`|[A-Z]{2,}_|__|\bpip\b|\bAPI\b|[a-z]_[a-z]|config(?!\p{L})|prompter|\.env/u;
const CODES = Object.keys(SERVER_NOTES) as (keyof typeof SERVER_NOTES)[];

describe.each([
  ["en", notesEn],
  ["es", notesEs],
] as const)("in %s", (language, texts) => {
  test.each(CODES)("%s has a wording for people", (code) => {
    const text = texts[code];
    expect(text).toMatch(/^[\p{Lu}¿{].*[.?]$/u);
    expect(text.replace(/{{\w+}}/g, "")).not.toMatch(TECHNICAL);
    const named = [...text.matchAll(/{{(\w+)}}/g)].map(([, name]) => name);
    expect(SERVER_NOTES[code]).toEqual(expect.arrayContaining(named));
  });

  test("no wording is for a code that the server does not have", () => {
    expect(Object.keys(texts).sort()).toEqual([...CODES].sort());
  });

  test("a sentence is complete whatever the parameters are", async () => {
    await startI18n(language);
    for (const code of CODES) {
      const params = Object.fromEntries(
        SERVER_NOTES[code].map((name) => [name, name === "host" ? "a.example" : 7]),
      );
      for (const given of [params, {}])
        expect(wordNote(i18next.t, { code, params: given })).not.toMatch(/{{|undefined/);
    }
  });
});

test("no sentence of one language stands in the other", () => {
  expect(CODES.filter((code) => notesEn[code] === notesEs[code])).toEqual([]);
});

describe("in words", () => {
  beforeAll(() => startI18n("en"));
  const words = (code: string, params = {}) => wordNote(i18next.t, { code, params });

  test("parameters are read as people say them", () => {
    expect(words("key_refused", { host: "api.example.com" })).toBe(
      "api.example.com did not accept the key. Check the key.",
    );
    expect(words("assistant_model_missing", { model: "ollama/llama3.2:3b" })).toBe(
      "Its model, Llama 3.2 3B, is not there.",
    );
    expect(words("hears", { languages: 100, percent: 7.6 })).toMatch(/About 7\.6 words in 100/);
  });

  test("of a very small model it is said what it is for", () => {
    expect(words("answers", { very_small: 1 })).toMatch(
      /^It can answer now\. It is very small: .*Connect a better/,
    );
    expect(words("answers")).toBe("It can answer now.");
  });

  test("numbers are written as in the language of the page", async () => {
    await loadTexts("es");
    const note = { code: "hears", params: { languages: 100, percent: 7.6 } };
    expect(wordNote(i18next.getFixedT("es"), note)).toMatch(/unas 7,6 palabras/);
  });

  test("what passes says when to try again", () => {
    expect(words("server_full", { seconds: 7 })).toMatch(/Try again in 7 s\.$/);
    expect(words("too_many_attempts", { seconds: 600 })).toMatch(/Try again in 10 minutes\.$/);
    expect(words("rate_limit_exceeded")).toMatch(/Try again in a moment\.$/);
  });

  test.each(["a_code_of_a_newer_server", "", "toString", "__proto__"])(
    "%j is unknown, and told plainly",
    (code) => {
      expect(words(code)).toMatch(/^The server could not do this\. Try again/);
    },
  );

  test("an answer that an older server stored has only its code", () => {
    expect(wordError(i18next.t, { code: "interrupted" })).toMatch(/What had arrived is here/);
    expect(
      wordError(i18next.t, { code: "upstream_error", note: { code: "not_reached", params: { host: "h" } } }),
    ).toMatch(/^h cannot be reached/);
  });
});
