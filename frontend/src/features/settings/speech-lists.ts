/** The lists behind the settings of speech: the vocabulary as it is typed, and the spoken languages. */

import { MAX_VOCABULARY_TERMS } from "@/shared/lib/settings";

/** The limit of one term in `start.config.vocabulary`. */
export const MAX_TERM_CHARS = 100;

/** One term for each line; `hasDropped` tells whether some exceed the limits. */
export function parseVocabulary(typed: string): { terms: string[]; hasDropped: boolean } {
  const lines = typed.split(/\r?\n/).map((line) => line.trim());
  const all = [...new Set(lines.filter((line) => line !== ""))];
  const terms = all.filter((term) => [...term].length <= MAX_TERM_CHARS).slice(0, MAX_VOCABULARY_TERMS);
  return { terms, hasDropped: terms.length < all.length };
}

/**
 * Offered for an engine that takes any language: the most spoken ones, and those near to this page's readers.
 */
const COMMON_LANGUAGES = [
  ..."ar bn ca cs da de el en es eu fa fi fr gl he hi hu id it".split(" "),
  ..."ja ko nl no pl pt ro ru sv sw ta th tr uk ur vi zh".split(" "),
];

interface SpokenLanguage {
  tag: string;
  name: string;
}

/**
 * The languages to choose from, sorted by name.
 *
 * @param supported primary tags that the engine understands; null for any
 * @param chosen offered even if the engine does not understand it
 * @param page the language of the page
 */
export function listLanguages(
  supported: readonly string[] | null,
  chosen: string,
  page: string,
): SpokenLanguage[] {
  const names = new Intl.DisplayNames([page], { type: "language", fallback: "code" });
  const tags = new Set(supported ?? COMMON_LANGUAGES);
  if (chosen !== "auto") tags.add(chosen);
  return [...tags]
    .map((tag) => ({ tag, name: nameLanguage(names, tag) }))
    .sort((one, other) => one.name.localeCompare(other.name, page));
}

function nameLanguage(names: Intl.DisplayNames, tag: string): string {
  try {
    const name = names.of(tag) ?? tag;
    return name.charAt(0).toLocaleUpperCase() + name.slice(1);
  } catch {
    return tag; // This browser does not know the tag.
  }
}
