/**
 * Formulas in Markdown: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` on their own. Pure.
 *
 * A dollar sign is money before it is mathematics: see `isFormula`. A formula holds no blank line, as in TeX:
 * a mark without its partner never takes the rest of an answer with it.
 */
import type { Code, Construct, Effects, Extension, State, TokenizeContext } from "micromark-util-types";

declare module "micromark-util-types" {
  interface TokenTypeMap {
    mathFlow: "mathFlow";
    mathFlowValue: "mathFlowValue";
    mathText: "mathText";
    mathTextData: "mathTextData";
    mathTextMark: "mathTextMark";
  }
}

/** So far a mark in a paragraph is looked for its partner: longer formulas stand in blocks. */
export const MOST_INLINE_CHARS = 1000;
/** A block that is longer is shown as it was written. */
export const MOST_BLOCK_CHARS = 10_000;

const DOLLAR = 36;
const OPEN_PARENTHESIS = 40;
const BACKSLASH = 92;
const BACKTICK = 96;

interface Marks {
  open: string;
  close: string;
}

const DISPLAY_DOLLARS: Marks = { open: "$$", close: "$$" };
const INLINE_DOLLAR: Marks = { open: "$", close: "$" };
const INLINE_BRACKETS: Marks = { open: "\\(", close: "\\)" };
const DISPLAY_BRACKETS: Marks = { open: "\\[", close: "\\]" };

export function createMathSyntax(): Extension {
  return {
    flow: { [DOLLAR]: makeBlock(DISPLAY_DOLLARS), [BACKSLASH]: makeBlock(DISPLAY_BRACKETS) },
    text: {
      [DOLLAR]: [makeInline(DISPLAY_DOLLARS), makeInline(INLINE_DOLLAR)],
      [BACKSLASH]: [makeInline(INLINE_BRACKETS), makeInline(DISPLAY_BRACKETS)],
    },
  };
}

const isLineEnd = (code: Code): boolean => code !== null && code < -2;
const isEnd = (code: Code): boolean => code === null || isLineEnd(code);
const isSpace = (code: Code): boolean => code === -2 || code === -1 || code === 32;
const toText = (code: Code): string =>
  code === null ? "" : code < 0 ? (isLineEnd(code) ? "\n" : " ") : String.fromCharCode(code);
const isWordPart = (letter: string): boolean => /[\p{L}\p{N}]/u.test(letter);

/**
 * Whether what stands between two single dollars is a formula. `$5 and $6`, `US$5-$6`, `$HOME/$PATH` and
 * `$10 (or 12$)` are none.
 *
 * @param before the letter before the first dollar
 * @param after the letter behind the second one
 */
export function isFormula(before: string, content: string, after: string): boolean {
  if (isWordPart(before) || isWordPart(after) || after === "$" || content !== content.trim()) return false;
  return !(/^\d/.test(content) && /[\s(]\p{L}{2,}/u.test(content) && !/[\\^_{=]/.test(content));
}

/** Whether a mark in the text of a paragraph may still find its partner in text that comes later. */
export function isOpenMark(source: string, at: number): boolean {
  if (source.length - at > MOST_INLINE_CHARS + 4) return false;
  const next = source[at + 1] ?? "";
  if (source[at] === "\\") return next === "" || next === "(" || next === "[";
  return source[at] === "$" && !/\s/.test(next) && !isWordPart(source[at - 1] ?? "");
}

// -- within a paragraph

function makeInline({ open, close }: Marks): Construct {
  return {
    name: "mathText",
    tokenize(this: TokenizeContext, effects, ok, nok) {
      const isDollar = open === "$";
      const before = toText(this.previous);
      const closing: Construct = { partial: true, tokenize: expect(close) };
      let content = "";

      const inside = (code: Code): State | undefined => {
        if (code === null || content.length > MOST_INLINE_CHARS) return nok(code);
        if (isDollar && code === BACKTICK) return nok(code);
        if (content === "" && close.startsWith("$") && code === DOLLAR) return nok(code);
        if (code === close.charCodeAt(0)) return effects.attempt(closing, closed, letter)(code);
        return letter(code);
      };
      const letter = (code: Code): State | undefined => {
        if (code === null || (isDollar && code === DOLLAR)) return nok(code);
        content += toText(code);
        effects.enter(isLineEnd(code) ? "lineEnding" : "mathTextData");
        effects.consume(code);
        if (isLineEnd(code)) {
          effects.exit("lineEnding");
          return inside;
        }
        return code === BACKSLASH ? escaped : data;
      };
      const escaped = (code: Code): State | undefined => {
        if (isEnd(code)) return data(code);
        content += toText(code);
        effects.consume(code);
        return data;
      };
      const data = (code: Code): State | undefined => {
        if (isEnd(code) || code === BACKSLASH || code === DOLLAR || code === BACKTICK) {
          effects.exit("mathTextData");
          return inside(code);
        }
        content += toText(code);
        effects.consume(code);
        return content.length > MOST_INLINE_CHARS ? nok : data;
      };
      const closed = (code: Code): State | undefined => {
        const isLink = close === "\\]" && code === OPEN_PARENTHESIS;
        const isMore = close.startsWith("$") && code === DOLLAR;
        if (content.trim() === "" || isLink || isMore) return nok(code);
        if (isDollar && !isFormula(before, content, toText(code))) return nok(code);
        effects.exit("mathText");
        return ok(code);
      };
      return (code) => {
        if (before === "$") return nok(code);
        effects.enter("mathText");
        return expect(open).call(this, effects, inside, nok)(code);
      };
    },
  };
}

/** Takes these letters as a mark, or nothing. */
function expect(mark: string): (this: TokenizeContext, effects: Effects, ok: State, nok: State) => State {
  return function (effects, ok, nok) {
    let at = 0;
    const letter = (code: Code): State | undefined => {
      if (code !== mark.charCodeAt(at)) return nok(code);
      effects.consume(code);
      at += 1;
      if (at < mark.length) return letter;
      effects.exit("mathTextMark");
      return ok;
    };
    return (code) => {
      effects.enter("mathTextMark");
      return letter(code);
    };
  };
}

// -- in lines of its own

/** What a line of a block does: closes it, leaves it open, or shows that it is no block. */
export function judgeLine(line: string, close: string): "closed" | "open" | "broken" {
  let at = line.indexOf(close);
  while (close === "$$" && at > 0 && line[at - 1] === "\\") at = line.indexOf(close, at + 1);
  if (at < 0) return "open";
  return /^[.,;:]?\s*$/.test(line.slice(at + close.length)) ? "closed" : "broken";
}

function makeBlock({ open, close }: Marks): Construct {
  return {
    name: "mathFlow",
    concrete: true, // a line that begins with a minus is no list here
    tokenize(this: TokenizeContext, effects, ok, nok) {
      const isInterrupting = this.interrupt === true;
      let line = "";
      let size = 0;
      let isFirst = true;

      const begin = (code: Code): State | undefined => {
        if (isInterrupting && hasOpenMark(this, open, close)) return nok(code);
        effects.enter("mathFlow");
        effects.enter("mathFlowValue");
        return mark(code);
      };
      const mark = (code: Code): State | undefined => {
        if (code !== open.charCodeAt(size)) return nok(code);
        effects.consume(code);
        size += 1;
        return size < open.length ? mark : content;
      };
      const content = (code: Code): State | undefined =>
        open === "$$" && code === DOLLAR ? nok(code) : letter(code);
      const letter = (code: Code): State | undefined => {
        if (isEnd(code)) {
          effects.exit("mathFlowValue");
          return lineEnd(code);
        }
        line += toText(code);
        effects.consume(code);
        return letter;
      };
      const lineEnd = (code: Code): State | undefined => {
        const judged = judgeLine(line, close);
        const isBlank = isFirst && line.trimStart().startsWith(close);
        if (judged === "broken" || isBlank) return nok(code);
        size += line.length + 1;
        isFirst = false;
        if (isInterrupting || judged === "closed" || size > MOST_BLOCK_CHARS) return end(code);
        return effects.check(NEXT_LINE, next, end)(code);
      };
      const next = (code: Code): State | undefined => {
        effects.enter("lineEnding");
        effects.consume(code);
        effects.exit("lineEnding");
        line = "";
        return (first) => {
          effects.enter("mathFlowValue");
          return letter(first);
        };
      };
      const end = (code: Code): State | undefined => {
        effects.exit("mathFlow");
        return ok(code);
      };
      return begin;
    },
  };
}

/** A line of the same block: not blank, and within the same list or quote. */
const NEXT_LINE: Construct = {
  partial: true,
  tokenize(this: TokenizeContext, effects, ok, nok) {
    const blank = (code: Code): State | undefined => {
      if (isEnd(code)) {
        effects.exit("mathFlowValue");
        return nok(code);
      }
      if (!isSpace(code)) {
        effects.exit("mathFlowValue");
        return ok(code);
      }
      effects.consume(code);
      return blank;
    };
    return (code) => {
      if (code === null) return nok(code);
      effects.enter("lineEnding");
      effects.consume(code);
      effects.exit("lineEnding");
      return (first) => {
        if (this.parser.lazy[this.now().line] || isEnd(first)) return nok(first);
        if (!isSpace(first)) return ok(first);
        effects.enter("mathFlowValue");
        return blank(first);
      };
    };
  },
};

/** Whether the paragraph that a block would end has a mark whose partner is yet to come. */
function hasOpenMark(context: TokenizeContext, open: string, close: string): boolean {
  const paragraph = context.events.findLast(([kind, { type }]) => kind === "enter" && type === "content");
  if (paragraph === undefined) return false;
  const text = context.sliceSerialize({ start: paragraph[1].start, end: context.now() });
  const opened = text.split(open).length;
  return open === close ? opened % 2 === 0 : opened > text.split(close).length;
}
