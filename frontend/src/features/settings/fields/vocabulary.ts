/** The list of terms as it is typed: one a line, within what a dictation may carry. */

/** The limits of `start.config.vocabulary`. */
export const MOST_TERMS = 200;
export const LONGEST_TERM = 100;

export function termsOf(typed: string): { terms: string[]; dropped: boolean } {
  const lines = typed.split(/\r?\n/).map((line) => line.trim());
  const all = [...new Set(lines.filter((line) => line !== ""))];
  const terms = all.filter((term) => [...term].length <= LONGEST_TERM).slice(0, MOST_TERMS);
  return { terms, dropped: terms.length < all.length };
}
