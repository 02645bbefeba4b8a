/** Where the words of a final stand in its text. Pure. */

/** A word with the time at which it begins, as the engine tells it. */
export interface TimedWord {
  word: string;
  start_ms: number;
  confidence: number;
}

export interface WordPlace {
  /** In characters, without the punctuation around the word. */
  start: number;
  end: number;
  startMs: number;
  confidence: number;
}

/** The places of the words, in the order of the text. One that is not found is left out. */
export function locateWords(text: string, words: readonly TimedWord[]): WordPlace[] {
  const places: WordPlace[] = [];
  let at = 0;
  for (const { word, start_ms, confidence } of words) {
    const plain = word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");
    const start = plain === "" ? -1 : text.indexOf(plain, at);
    if (start < 0) continue;
    at = start + plain.length;
    places.push({ start, end: at, startMs: start_ms, confidence });
  }
  return places;
}

/** The words of a stored final: the server passes them on as it has them. */
export function readTimedWords(words: readonly unknown[] | null): TimedWord[] {
  return (words ?? []).filter(isTimedWord);
}

function isTimedWord(value: unknown): value is TimedWord {
  return (
    typeof value === "object" &&
    value !== null &&
    "word" in value &&
    typeof value.word === "string" &&
    "start_ms" in value &&
    typeof value.start_ms === "number"
  );
}
