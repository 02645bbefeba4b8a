/** What an utterance is to hands-free: words to send, nothing, or the command that ends it. Pure. */

/** Each ends hands-free as an utterance or as the last sentence of one, whatever the language of the page. */
const STOP_COMMANDS: ReadonlySet<string> = new Set(["stop listening", "deja de escuchar"]);
/** Sounds that people make while they think, and that are no prompt alone. */
const FILLERS: ReadonlySet<string> = new Set(
  "um umm uh uhm uhh er erm hm hmm hmmm mm mmm mhm ah ahh oh ohh eh ehh em emm".split(" "),
);
/** Words that something follows: English and Spanish articles, conjunctions and prepositions, and fillers. */
const LEADING_WORDS: ReadonlySet<string> = new Set(
  (
    "and or but because the a an of with my your if when while which um uh er " +
    "y o u pero porque que el la los las un una unos unas de del al con para por mi tu su si cuando mientras eh em"
  ).split(" "),
);
/** Marks after which a sentence goes on. */
const OPEN_END = /(?:[,:;–—-]|\.{2,}|…)\s*$/u;
const CLOSED_END = /[?!]["”»)\]]*\s*$/u;
/** Behind it a sentence begins. */
const SENTENCE_END = /[.?!…]["”»)\]]*\s+/gu;
/** How much of what is heard must be in what is read, in the same order, to be taken for it. */
const ECHO_SHARE = 0.6;

export type UtteranceKind = "words" | "nothing" | "stop";

export interface Utterance {
  kind: UtteranceKind;
  /** What was said but for the command; empty where that is nothing. */
  words: string;
}

/** A slow speaker's pause, or a short one, leaves the command in one utterance with the words before it. */
export function readUtterance(text: string): Utterance {
  const starts = [0, ...[...text.matchAll(SENTENCE_END)].map((end) => end.index + end[0].length)];
  const command = starts.find((start) => isCommand(text.slice(start)));
  const words = command === undefined ? text : text.slice(0, command).trimEnd();
  const isNothing = splitFoldedWords(words).every((word) => FILLERS.has(word));
  const kind = isNothing ? "nothing" : "words";
  return { kind: command === undefined ? kind : "stop", words: isNothing ? "" : words };
}

function isCommand(text: string): boolean {
  return STOP_COMMANDS.has(splitFoldedWords(text).join(" "));
}

/** Whether the text sounds as if more of it is to come: the pause before it is sent is longer then. */
export function isUnfinished(text: string): boolean {
  if (OPEN_END.test(text)) return true;
  if (CLOSED_END.test(text)) return false;
  return LEADING_WORDS.has(splitFoldedWords(text).at(-1) ?? "");
}

/** Whether an utterance is what the page read aloud, as the microphone heard it. */
export function isEcho(heard: string, read: string): boolean {
  const words = splitFoldedWords(heard);
  const common = countCommonWords(words, splitFoldedWords(read));
  // The voice stops as soon as it is heard: of a few words all must fit.
  return words.length > 0 && common >= (words.length <= 3 ? words.length : words.length * ECHO_SHARE);
}

/** The words without case, accents and punctuation. */
export function splitFoldedWords(text: string): string[] {
  const folded = text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
  return folded.match(/[\p{L}\p{N}]+(?:['’][\p{L}]+)*/gu) ?? [];
}

/** The length of the longest common subsequence. */
function countCommonWords(some: readonly string[], others: readonly string[]): number {
  let row = new Array<number>(others.length + 1).fill(0);
  for (const word of some) {
    const next = [0];
    for (const [at, other] of others.entries()) {
      const best = Math.max(row[at + 1] ?? 0, next[at] ?? 0);
      next.push(word === other ? (row[at] ?? 0) + 1 : best);
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
