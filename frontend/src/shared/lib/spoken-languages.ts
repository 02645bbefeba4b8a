/** The languages that people speak, with their names. Pure. */
import { foldText } from "./folding";

/** Offered for an engine that takes any language: those of Whisper. */
const ANY_LANGUAGES = [
  ..."af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw".split(" "),
  ..."he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt".split(" "),
  ..."my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl".split(" "),
  ..."tr tt uk ur uz vi yi yo yue zh".split(" "),
];
/** Shown first: the languages of this page. */
const FIRST_LANGUAGES = ["en", "es"];

export interface SpokenLanguage {
  tag: string;
  /** In the language of the page. */
  name: string;
  /** In the language itself. */
  ownName: string;
}

/**
 * The languages to choose from: those of the page and those that are chosen come first, the others by name.
 *
 * @param supported primary tags that the engine understands; null for any
 * @param chosen offered even if the engine does not understand them
 * @param page the language of the page
 */
export function listLanguages(
  supported: readonly string[] | null,
  chosen: readonly string[],
  page: string,
): { first: SpokenLanguage[]; others: SpokenLanguage[] } {
  const offered = [...new Set([...(supported ?? ANY_LANGUAGES), ...chosen])];
  const languages = offered
    .map((tag) => ({ tag, name: nameLanguage(tag, page), ownName: nameLanguage(tag, tag) }))
    .sort((one, other) => one.name.localeCompare(other.name, page));
  const rank = ({ tag }: SpokenLanguage): number => {
    const at = FIRST_LANGUAGES.indexOf(tag);
    return at >= 0 ? at : chosen.includes(tag) ? FIRST_LANGUAGES.length : Infinity;
  };
  const isFirst = (language: SpokenLanguage): boolean => rank(language) < Infinity;
  return {
    first: languages.filter(isFirst).sort((one, other) => rank(one) - rank(other)),
    others: languages.filter((language) => !isFirst(language)),
  };
}

/** The languages whose name, own name or tag has the words that are searched, accents aside. */
export function searchLanguages(languages: readonly SpokenLanguage[], typed: string): SpokenLanguage[] {
  const wanted = foldText(typed.trim());
  return languages.filter(
    ({ tag, name, ownName }) =>
      [name, ownName].some((text) => foldText(text).includes(wanted)) || foldText(tag) === wanted,
  );
}

/** The name of a language in the language of the page. */
export function nameLanguage(tag: string, page: string): string {
  try {
    const names = new Intl.DisplayNames([page], { type: "language", fallback: "code" });
    const name = names.of(tag) ?? tag;
    return name.charAt(0).toLocaleUpperCase() + name.slice(1);
  } catch {
    return tag; // This browser does not know the tag.
  }
}
