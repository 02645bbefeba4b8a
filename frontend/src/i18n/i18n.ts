/** The page's languages: the chosen one, else the browser's first that we have, else English. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import { en } from "./en";
import { es } from "./es";

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

/** Begin, or change the language. */
export async function startI18n(language: Language): Promise<void> {
  document.documentElement.lang = language;
  if (i18next.isInitialized) {
    await i18next.changeLanguage(language);
    return;
  }
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: "en",
    resources: { en: { translation: en }, es: { translation: es } },
    interpolation: { escapeValue: false }, // React escapes
    initAsync: false,
  });
}
