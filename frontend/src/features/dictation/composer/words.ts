/** Words of an utterance: where they stand, how two hypotheses of it match, and where a space is needed. */

/** One word and its place in its text, in characters. */
export interface Word {
  start: number;
  end: number;
  /** Without case and punctuation: what two hypotheses are compared by. */
  plain: string;
}

const UNSPACED = "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}";
const WORD = new RegExp(`[${UNSPACED}]|[^\\s${UNSPACED}]+`, "gu");
const NO_SPACE_BEFORE = new RegExp(`^[\\s.,;:!?…)\\]}»”%${UNSPACED}]`, "u");
const NO_SPACE_AFTER = new RegExp(`[\\s([{¿¡«“/@#${UNSPACED}]$`, "u");

/** The words of a text; scripts that are written without spaces count by the character. */
export function wordsOf(text: string): Word[] {
  return [...text.matchAll(WORD)].map(({ 0: word, index }) => ({
    start: index,
    end: index + word.length,
    plain: word.toLocaleLowerCase().replace(/[^\p{L}\p{N}]/gu, ""),
  }));
}

/** Whether text that ends in `before` and text that begins with `after` want a space between them. */
export function needsSpace(before: string, after: string): boolean {
  return before !== "" && after !== "" && !NO_SPACE_AFTER.test(before) && !NO_SPACE_BEFORE.test(after);
}

/**
 * How many words of `after` stand for the first `count` of `before`: the cut that makes both sides most alike
 * (edit distance over words), the nearest to `count` where several do.
 */
export function matchingCut(before: string, after: string, count: number): number {
  const old = wordsOf(before).map((word) => word.plain);
  const now = wordsOf(after).map((word) => word.plain);
  const heads = distances(old.slice(0, count), now);
  const tails = distances(old.slice(count).reverse(), [...now].reverse());
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
function distances(words: readonly string[], to: readonly string[]): number[] {
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
