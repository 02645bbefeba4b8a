/** The languages of the page: the chosen one, else the first of the browser that we have, else English. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

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

/** Each language is a file of its own: a page loads the texts that it shows. */
const LOADS = {
  en: async () => (await import("./en")).en,
  es: async () => (await import("./es")).es,
};
let wanted: Language = "en";

/**
 * Begin, or change the language. Of several changes at once the last one counts.
 *
 * @throws TypeError the texts could not be loaded; the page keeps the language that it has
 */
export async function startI18n(language: Language): Promise<void> {
  wanted = language;
  if (!i18next.isInitialized) await initialize();
  await loadTexts(language);
  if (wanted !== language) return;
  document.documentElement.lang = language;
  await i18next.changeLanguage(language);
}

/**
 * Begin in a language, or in another one if the texts of this one do not load.
 *
 * @throws TypeError no texts could be loaded
 */
export async function startInAnyLanguage(language: Language): Promise<void> {
  const others = LANGUAGES.filter((other) => other !== language);
  let loading = startI18n(language);
  for (const other of others) loading = loading.catch(() => startI18n(other));
  await loading;
}

/**
 * Make the texts of a language available, also where the page keeps another one.
 *
 * @throws TypeError the texts could not be loaded
 */
export async function loadTexts(language: Language): Promise<void> {
  if (!hasTexts(language)) i18next.addResourceBundle(language, "translation", await LOADS[language]());
}

/** What a page says that could load no texts at all. */
export const NO_TEXTS = {
  en: "PROMPTer could not load. Check the connection to the server, then reload the page.",
  es: "PROMPTer no se pudo cargar. Comprueba la conexión con el servidor y vuelve a cargar la página.",
} satisfies Record<Language, string>;

async function initialize(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: "en",
    // A language whose texts are not loaded is spoken for by one whose texts are.
    fallbackLng: () => [i18next.language, ...LANGUAGES].filter(hasTexts),
    resources: {},
    interpolation: { escapeValue: false }, // React escapes
    initAsync: false,
  });
}

function hasTexts(language: string): boolean {
  return i18next.hasResourceBundle(language, "translation");
}
