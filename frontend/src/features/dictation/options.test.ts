/** The settings of the page become the options of a dictation. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { DEFAULTS } from "@/shared/lib/settings";

import { toDictationOptions } from "./options";

beforeEach(() => void vi.stubGlobal("navigator", { languages: ["es-ES", "en-US"] }));
afterEach(() => vi.unstubAllGlobals());

const languages = (spokenLangs: string[]) => {
  const { lang, langs, likely_langs } = toDictationOptions({ ...DEFAULTS, spokenLangs }).config;
  return { lang, langs, likely_langs };
};

test("one language is certain; several bound the choice, and those of the browser lean it", () => {
  const likely = { lang: "auto", likely_langs: ["es-ES", "en-US"] };
  expect(languages([])).toEqual({ ...likely, langs: [] });
  expect(languages(["es"])).toEqual({ lang: "es", langs: undefined, likely_langs: undefined });
  expect(languages(["es", "en"])).toEqual({ ...likely, langs: ["es", "en"] });
});

test("words are asked for where doubt is marked", () => {
  expect(toDictationOptions(DEFAULTS).config.words).toBe(true);
  expect(toDictationOptions({ ...DEFAULTS, marksDoubt: false }).config.words).toBe(false);
});

test("hands-free needs utterances that end by themselves", () => {
  const manual = { ...DEFAULTS, endpointing: "manual" as const };
  expect(toDictationOptions(manual)).toMatchObject({ endsUtterances: false });
  const handsFree = toDictationOptions(manual, true);
  expect(handsFree).toMatchObject({ endsUtterances: true, config: { endpointing: "conversation" } });
  const slow = { ...DEFAULTS, endpointing: "dictation" as const };
  expect(toDictationOptions(slow, true).config.endpointing).toBe("dictation");
});
