/** Text for comparison. */

/** Scripts without spaces, where each character counts as a word: for a class of a regular expression. */
export const UNSPACED = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}";

/** Case and accents do not matter. */
export function foldText(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** A word without case and punctuation, to compare what was heard. */
export function foldWord(word: string): string {
  return word.toLocaleLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}
