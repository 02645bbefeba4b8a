/** Cuts an answer that grows into sentences to read aloud: without Markdown, and code by name alone. Pure. */

export type SpokenPiece = { kind: "text"; text: string } | { kind: "code"; language: string };

/** Browsers' voices break off long texts after some 15 s. */
const MAX_CHARS = 200;
const FENCE = /^\s*(?:>\s*)*(`{3,}|~{3,})\s*([^\s`{]*)/;
const HEADING = /^\s{0,3}#{1,6}\s+/;
const QUOTE = /^\s{0,3}(?:>\s?)+/;
const ITEM = /^\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?/;
const TABLE_ROW = /^\s*\|.*\|\s*$/;
const TABLE_RULE = /^[\s|:-]+$/;
const DEFINITION = /^\s*\[[^\]]+\]:\s/;
/** A line that may begin a block is read when it is complete. */
const UNDECIDED = /^[\s>]*(?:$|[`~#|[<*+_=-]|\d{1,9}[.)]?(?:\s|$))/;
/** The end of a sentence, with the marks that close around it; in Chinese and Japanese no space follows. */
const SENTENCE_END = /(?:[.!?…]+["'”’»)\]*_]*(?=\s)|[。！？]+[」』”）]*)/gu;
const ABBREVIATION =
  /(?:^|[\s(])(?:mr|mrs|ms|dr|dra|sr|sra|srta|prof|st|vs|etc|no|fig|ud|uds|p|ej|e\.g|i\.e|ee|\p{L})\.$/iu;

/** Reads one answer from its beginning. */
export class SentenceReader {
  /** Where the line begins that is not complete. */
  #at = 0;
  /** How much of the text of that line was read. */
  #said = 0;
  /** The rest of the paragraph before that line. */
  #open = "";
  /** The marks that close the block of code that is open; "" outside. */
  #fence = "";

  /**
   * The pieces that are complete since the last call.
   *
   * @param answer all of it so far, in Markdown
   * @param isOver nothing follows
   */
  take(answer: string, isOver: boolean): SpokenPiece[] {
    const pieces: SpokenPiece[] = [];
    for (;;) {
      const end = answer.indexOf("\n", this.#at);
      if (end < 0) break;
      this.#takeLine(answer.slice(this.#at, end), true, pieces);
      this.#at = end + 1;
    }
    const rest = answer.slice(this.#at);
    this.#takeLine(rest, isOver, pieces);
    if (isOver) {
      this.#flush(pieces);
      this.#at = answer.length;
      this.#said = 0;
    }
    return pieces.flatMap(splitLong);
  }

  #takeLine(line: string, isComplete: boolean, pieces: SpokenPiece[]): void {
    if (!isComplete && (this.#fence !== "" || UNDECIDED.test(line))) return;
    const [, marks = "", language = ""] = FENCE.exec(line) ?? [];
    if (this.#fence !== "") {
      if (marks.startsWith(this.#fence) && language === "") this.#fence = "";
      return;
    }
    const isPlain = marks === "" && !TABLE_ROW.test(line) && !DEFINITION.test(line);
    if (!isPlain || line.trim() === "" || HEADING.test(line) || ITEM.test(line)) this.#flush(pieces);
    if (isPlain) return this.#takeText(line, isComplete, pieces);
    if (marks !== "") {
      this.#fence = marks;
      pieces.push({ kind: "code", language });
    } else if (TABLE_ROW.test(line) && !TABLE_RULE.test(line)) {
      this.#say(line.replace(/^[\s|]+|[\s|]+$/g, "").replace(/\s*\|\s*/g, ", "), pieces);
    }
  }

  /** Say the sentences that are complete with this line. */
  #takeText(line: string, isComplete: boolean, pieces: SpokenPiece[]): void {
    const text = `${line.replace(QUOTE, "").replace(HEADING, "").replace(ITEM, "")}${isComplete ? " " : ""}`;
    const before = this.#open.length;
    const all = this.#open + text.slice(this.#said);
    const cut = findLastSentenceEnd(all);
    for (const sentence of splitSentences(all.slice(0, cut))) this.#say(sentence, pieces);
    if (isComplete) {
      this.#open = all.slice(cut);
      this.#said = 0;
      if (HEADING.test(line)) this.#flush(pieces);
    } else if (cut > 0) {
      this.#open = "";
      this.#said += cut - before;
    }
  }

  #flush(pieces: SpokenPiece[]): void {
    for (const sentence of splitSentences(this.#open)) this.#say(sentence, pieces);
    this.#open = "";
  }

  #say(markdown: string, pieces: SpokenPiece[]): void {
    const text = stripInline(markdown);
    if (/[\p{L}\p{N}]/u.test(text)) pieces.push({ kind: "text", text });
  }
}

function splitSentences(text: string): string[] {
  const sentences: string[] = [];
  let from = 0;
  for (const end of findSentenceEnds(text)) {
    sentences.push(text.slice(from, end));
    from = end;
  }
  return [...sentences, text.slice(from)];
}

function findLastSentenceEnd(text: string): number {
  return findSentenceEnds(text).at(-1) ?? 0;
}

/** Where sentences end; not inside a link or code, nor after an abbreviation. */
function findSentenceEnds(text: string): number[] {
  return [...text.matchAll(SENTENCE_END)]
    .map((found) => found.index + found[0].length)
    .filter((end) => {
      const before = text.slice(0, end);
      const isOpen = (before.split("`").length - 1) % 2 === 1 || /\[[^\]]*$|\]\([^)]*$/.test(before);
      return !isOpen && !ABBREVIATION.test(before);
    });
}

/** The words of a line of Markdown. */
export function stripInline(markdown: string): string {
  return markdown
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/\[\^[^\]]*\]/g, "")
    .replace(/!?\[([^\]]+)\](?:\[[^\]]*\])?/g, "$1")
    .replace(/<?\bhttps?:\/\/(?:www\.)?([^\s/>)]+)[^\s>)]*>?/g, "$1")
    .replace(/<\/?[a-z][^>]*>/gi, " ")
    .replace(/\\([^\w\s])/g, "$1")
    .replace(/\*\*|__|~~|`/g, "")
    .replace(/\*(?=\S)|(?<=\S)\*/g, "")
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "")
    .replace(/&nbsp;/g, " ")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, "&")
    .replace(/\p{Extended_Pictographic}|[\u{1f1e6}-\u{1f1ff}]|\p{Emoji_Modifier}|\ufe0f|\u200d/gu, "")
    .replace(/\s+/g, " ")
    .trim();
}

/** Parts that a voice gets through, cut at commas, or else between words. */
function splitLong(piece: SpokenPiece): SpokenPiece[] {
  if (piece.kind === "code" || piece.text.length <= MAX_CHARS) return [piece];
  const head = piece.text.slice(0, MAX_CHARS);
  const comma = Math.max(...[", ", "; ", ": ", " – ", " — "].map((mark) => head.lastIndexOf(mark)));
  const space = head.lastIndexOf(" ");
  const cut = comma > MAX_CHARS / 3 ? comma + 1 : space > 0 ? space : MAX_CHARS;
  const rest = { kind: "text" as const, text: piece.text.slice(cut).trim() };
  return [{ kind: "text", text: piece.text.slice(0, cut).trim() }, ...splitLong(rest)];
}
