/** Which words two texts have in common, and which differ. Pure. */

import { foldWord, UNSPACED } from "./folding";

/** A part of one of two texts: also in the other one, or not. The joined parts are the text. */
export interface DiffPart {
  isSame: boolean;
  text: string;
}

/** Blocks up to so many pairs of words are compared exactly. */
const MOST_PAIRS = 250_000;
/** A word with the space before it; scripts that are written without spaces count by the character. */
const WORD = new RegExp(`\\s*(?:[${UNSPACED}]|[^\\s${UNSPACED}]+)|\\s+`, "gu");

/** Compare two texts word by word; case and punctuation do not count. */
export function diffTexts(one: string, other: string): [DiffPart[], DiffPart[]] {
  const [left, right] = [splitWords(one), splitWords(other)];
  const pairs = matchWords(left.map(normalize), right.map(normalize));
  const inLeft = new Set(pairs.map(([at]) => at));
  const inRight = new Set(pairs.map(([, at]) => at));
  return [joinParts(left, inLeft), joinParts(right, inRight)];
}

function splitWords(text: string): string[] {
  return text.match(WORD) ?? [];
}

function normalize(word: string): string {
  return foldWord(word) || word.trim();
}

function joinParts(words: readonly string[], same: ReadonlySet<number>): DiffPart[] {
  const parts: DiffPart[] = [];
  for (const [at, text] of words.entries()) {
    const isSame = same.has(at);
    const last = parts.at(-1);
    if (last?.isSame === isSame) last.text += text;
    else parts.push({ isSame, text });
  }
  return parts;
}

type Pair = readonly [number, number];

/** Pairs of places with the same word, rising in both lists. */
function matchWords(left: readonly string[], right: readonly string[], from: Pair = [0, 0]): Pair[] {
  let head = 0;
  while (head < left.length && head < right.length && left[head] === right[head]) head += 1;
  let tail = 0;
  const most = Math.min(left.length, right.length) - head;
  while (tail < most && left[left.length - 1 - tail] === right[right.length - 1 - tail]) tail += 1;
  const at = (by: number): Pair => [from[0] + by, from[1] + by];
  const before = Array.from({ length: head }, (_, index) => at(index));
  const after = Array.from({ length: tail }, (_, index): Pair => [
    from[0] + left.length - tail + index,
    from[1] + right.length - tail + index,
  ]);
  const middle = matchMiddle(
    left.slice(head, left.length - tail),
    right.slice(head, right.length - tail),
    at(head),
  );
  return [...before, ...middle, ...after];
}

function matchMiddle(left: readonly string[], right: readonly string[], from: Pair): Pair[] {
  if (left.length === 0 || right.length === 0) return [];
  if (left.length * right.length <= MOST_PAIRS) return matchExactly(left, right, from);
  const anchors = findAnchors(left, right);
  if (anchors.length === 0) return [];
  const found: Pair[] = [];
  let [x, y] = [0, 0];
  for (const [a, b] of [...anchors, [left.length, right.length] as const]) {
    found.push(...matchWords(left.slice(x, a), right.slice(y, b), [from[0] + x, from[1] + y]));
    if (a < left.length) found.push([from[0] + a, from[1] + b]);
    [x, y] = [a + 1, b + 1];
  }
  return found;
}

/** The longest common subsequence. */
function matchExactly(left: readonly string[], right: readonly string[], from: Pair): Pair[] {
  const width = right.length + 1;
  const lengths = new Uint32Array((left.length + 1) * width);
  const get = (x: number, y: number): number => lengths[x * width + y] ?? 0;
  for (let x = left.length - 1; x >= 0; x -= 1)
    for (let y = right.length - 1; y >= 0; y -= 1)
      lengths[x * width + y] =
        left[x] === right[y] ? get(x + 1, y + 1) + 1 : Math.max(get(x + 1, y), get(x, y + 1));
  const pairs: Pair[] = [];
  let [x, y] = [0, 0];
  while (x < left.length && y < right.length) {
    if (left[x] === right[y]) pairs.push([from[0] + x++, from[1] + y++]);
    else if (get(x + 1, y) >= get(x, y + 1)) x += 1;
    else y += 1;
  }
  return pairs;
}

/** Words that each list has once, as far as their order is the same: the longest rising sequence of them. */
function findAnchors(left: readonly string[], right: readonly string[]): Pair[] {
  const places = findSingles(right);
  const pairs = [...findSingles(left)].flatMap(([word, at]): Pair[] => {
    const there = places.get(word);
    return there === undefined ? [] : [[at, there]];
  });
  /** The ends of the best sequence of each length, and each pair's predecessor. */
  const ends: number[] = [];
  const previous: number[] = [];
  for (const [index, [, there]] of pairs.entries()) {
    let length = ends.length;
    while (length > 0 && (pairs[ends[length - 1] ?? 0]?.[1] ?? 0) > there) length -= 1;
    previous[index] = ends[length - 1] ?? -1;
    ends[length] = index;
  }
  const found: Pair[] = [];
  for (let at = ends.at(-1) ?? -1; at >= 0; at = previous[at] ?? -1) {
    const pair = pairs[at];
    if (pair !== undefined) found.unshift(pair);
  }
  return found;
}

function findSingles(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return new Map(
    [...words.entries()].filter(([, word]) => counts.get(word) === 1).map(([at, word]) => [word, at]),
  );
}
