/** The vocabulary as it is typed in the settings of speech. Pure. */
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
