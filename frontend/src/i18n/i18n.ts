/** The languages of the page: the chosen one, else the first of the browser that we have, else English. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import { en } from "./en";

export const LANGUAGES = ["en", "es"] as const;
export type Language = (typeof LANGUAGES)[number];

/** `preferred`: BCP-47 tags, best first. */
export function chooseLanguage(chosen: string, preferred: readonly string[]): Language {
  for (const tag of [chosen, ...preferred]) {
    const found = LANGUAGES.find((language) => language === tag.toLowerCase().split("-")[0]);
    if (found) return found;
  }
  return "en";
}

/** English is always there: it is the language of a page whose other texts do not load. */
const LOADS = { es: async () => (await import("./es")).es };
let wanted: Language = "en";

/**
 * Begin, or change the language. Of several changes at once the last one counts.
 *
 * @throws TypeError the texts could not be loaded; the page keeps the language that it has
 */
export async function startI18n(language: Language): Promise<void> {
  wanted = language;
  if (!i18next.isInitialized) {
    await i18next.use(initReactI18next).init({
      lng: "en",
      fallbackLng: "en",
      resources: { en: { translation: en } },
      interpolation: { escapeValue: false }, // React escapes
      initAsync: false,
    });
  }
  await loadTexts(language);
  if (wanted !== language) return;
  document.documentElement.lang = language;
  await i18next.changeLanguage(language);
}

/**
 * Make the texts of a language available, also where the page keeps another one.
 *
 * @throws TypeError the texts could not be loaded
 */
export async function loadTexts(language: Language): Promise<void> {
  if (language !== "en" && !i18next.hasResourceBundle(language, "translation"))
    i18next.addResourceBundle(language, "translation", await LOADS[language]());
}
