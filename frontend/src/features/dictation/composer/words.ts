/** Words of an utterance: their places, how two hypotheses match, and where a space is needed. Pure. */

import { foldWord, UNSPACED } from "@/shared/lib/folding";

/** One word and its place in its text, in characters. */
export interface Word {
  start: number;
  end: number;
  /** Without case and punctuation, to compare hypotheses. */
  normalized: string;
}

const WORD = new RegExp(`[${UNSPACED}]|[^\\s${UNSPACED}]+`, "gu");
const NO_SPACE_BEFORE = new RegExp(`^[\\s.,;:!?…)\\]}»”%${UNSPACED}]`, "u");
const NO_SPACE_AFTER = new RegExp(`[\\s([{¿¡«“/@#${UNSPACED}]$`, "u");

const CLOSING_MARKS = /\s*[.…?!。．｡？！।॥۔؟።]+$/u;

/** The words of a text; scripts that are written without spaces count by the character. */
export function splitWords(text: string): Word[] {
  return [...text.matchAll(WORD)].map(({ 0: word, index }) => ({
    start: index,
    end: index + word.length,
    normalized: foldWord(word),
  }));
}

/** Whether a text that ends in `before` and one that starts with `after` need a space between them. */
export function needsSpace(before: string, after: string): boolean {
  return before !== "" && after !== "" && !NO_SPACE_AFTER.test(before) && !NO_SPACE_BEFORE.test(after);
}

/**
 * How many characters at the end of a text close a sentence. 0 for a text of such marks alone. The server
 * counts the same marks where it joins texts.
 */
export function countClosingMarks(text: string): number {
  const whole = text.trimEnd();
  const body = whole.replace(CLOSING_MARKS, "");
  return body === "" ? 0 : whole.length - body.length;
}

/**
 * How many words of `after` correspond to the first `count` words of `before`: the cut with the smallest edit
 * distance on both sides, and of several such cuts the one nearest to `count`.
 */
export function findMatchingCut(before: string, after: string, count: number): number {
  const old = splitWords(before).map((word) => word.normalized);
  const now = splitWords(after).map((word) => word.normalized);
  const heads = measurePrefixDistances(old.slice(0, count), now);
  const tails = measurePrefixDistances(old.slice(count).reverse(), [...now].reverse());
  let best = 0;
  let bestCost = Infinity;
  for (let cut = 0; cut <= now.length; cut += 1) {
    const cost = (heads[cut] ?? 0) + (tails[now.length - cut] ?? 0);
    if (cost < bestCost || (cost === bestCost && Math.abs(cut - count) < Math.abs(best - count))) {
      best = cut;
      bestCost = cost;
    }
  }
  return best;
}

/** Edit distance of `words` to each prefix of `to`, the empty one first. */
function measurePrefixDistances(words: readonly string[], to: readonly string[]): number[] {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, word] of words.entries()) {
    const next = [index + 1];
    for (let at = 1; at <= to.length; at += 1) {
      const swap = (row[at - 1] ?? 0) + (word === to[at - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row;
}
