/** Markdown read as it grows gives what it gives as a whole, and costs what it adds. */
import fc from "fast-check";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { Pieces } from "./formatted-blocks";
import { GrowingMarkdown, type Piece } from "./growing-markdown";

const PIECES = [
  "A paragraph\nof two lines",
  "# Heading",
  "Title\n=====",
  "- one\n- two",
  "- one\n\n- two\n\n  more of two",
  "- one\n  - inner\n  - inner too\n\n    more of it\n- two",
  "- > quoted\n  > on\n- ```\n  code\n\n  more\n  ```\n- | a | b |\n  |---|---|\n  | 1 | 2 |\n  | 3 | 4 |",
  "1. first\n\n   ```py\n   x = 1\n\n   y = 2\n   ```\n2. second",
  "7) seven\n8) eight",
  "   1) indented",
  "* a\n+ b",
  "-\n  late",
  "-\n\n- empty",
  "- - - nested\n    - more",
  "```js\nlet a;\n\n# no heading\n- no item\n```",
  "~~~\n```\n\nstill code\n~~~",
  "````md\n```\ninner\n\n```\n````",
  "    indented\n\n    code",
  "para\n\n    ```\n\nmore",
  "> quoted\n\n> again",
  "> ```\n> in a quote\n> more",
  "> one\n>\n> - two\n>   three\n> - four\nlazy",
  "| a | b |\n|---|:--|\n| 1 | 2 |\n| `3` | **4** |\n| 5 |\nlazy row",
  "***",
  "- [x] done\n- [ ] not\n  - [ ] inner\n\n  [x] no box",
  "*",
  "``` not ` a fence",
  "<div>\nhtml\n\n</div>",
  "<details>\n<summary>More</summary>\n\n- inside\n\n</details>",
  "<!-- a\n\ncomment -->",
  "<script>\nlet x;\n\nlet y;\n</script> after",
  "words and *marks* and `code` of a [link](https://example.org) and\nmore **bold\nwords** and 2 * 3, snake_case <b>x</b>",
  "an *open mark, a [bracket, an `open tick\nand a second line\\\nbroken  \nthrice",
  "שלום\n\n- אחת\n- two",
  "- 1\n- שלום\n- a",
  "costs $5 or $x$ and \\(y\\) or $$z$$ and\n\\[ w \\] in `$a$` for $6",
  "$$\nx\n- y\n$$",
  "\\[ a\n+ b\n\\]",
  "- so:\n  $$x$$\n  > $$\n  > y\n  > $$",
  "it is: $$\nx\n$$ where\n$$y$$.\nand",
  "$$",
  "\\[",
  "```mermaid\ngraph TD\n```",
  "\\",
  "```",
  "",
];
/** They serve links anywhere in the text. */
const DEFINITIONS = [
  "[text][x] and [^1] and [x]",
  "[x]: https://example.org",
  "[^1]: A note\n\n    goes on",
  "- [x]\n- [y]: /url",
];

const showPieces = (pieces: readonly Piece[]): string => renderToStaticMarkup(<Pieces pieces={pieces} />);

/** What the parser makes of the whole text at once. */
const show = (text: string) => showPieces(new GrowingMarkdown(0, Infinity).read(text, false));

/** Line ends beside tags are nobody's. */
const withoutGaps = (page: string) => page.replace(/\n*(<[^>]+>)\n*/g, "$1").trim();

/** Where the parser, unlike CommonMark, breaks one block of code in two. */
const CODE_BEHIND_EMPTY_ITEM = /^[ \t]*[-*+][ \t]*\n(?:[ \t]*\n)+ {4}/m;

const documents = (pieces: readonly string[]) =>
  fc
    .array(fc.tuple(fc.constantFrom(...pieces), fc.constantFrom("\n", "\n\n", "\n \n\n")), { maxLength: 7 })
    .map((parts) => parts.flat().join(""))
    .filter((text) => !CODE_BEHIND_EMPTY_ITEM.test(text));
/** How many characters arrive at a time. */
const steps = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 });
/** From which size on an end is shortened: 0 is always. */
const shortEnd = fc.constantFrom(0, 0, 40, 800);
const RUNS = { numRuns: Number(process.env.RUNS ?? 100) };

function* grow(text: string, sizes: readonly number[]): Generator<string> {
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    at += sizes[turn % sizes.length] ?? 1;
    yield text.slice(0, at);
  }
}

describe("GrowingMarkdown", () => {
  it("shows at every moment what the whole text until then is", () => {
    fc.assert(
      fc.property(documents(PIECES), steps, shortEnd, (text, sizes, short) => {
        const markdown = new GrowingMarkdown(short);
        for (const part of grow(text, sizes))
          expect(withoutGaps(showPieces(markdown.read(part, true)))).toBe(withoutGaps(show(part)));
        expect(withoutGaps(showPieces(markdown.read(text, false)))).toBe(withoutGaps(show(text)));
      }),
      RUNS,
    );
  }, 300_000);

  it("has applied all definitions at the end", () => {
    fc.assert(
      fc.property(documents([...PIECES, ...DEFINITIONS]), steps, shortEnd, (text, sizes, short) => {
        const markdown = new GrowingMarkdown(short);
        for (const part of grow(text, sizes)) markdown.read(part, true);
        expect(withoutGaps(showPieces(markdown.read(text, false)))).toBe(withoutGaps(show(text)));
      }),
      RUNS,
    );
  }, 300_000);
});

const repeat = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join("");
const WORDS = "some words of an item that goes on for a while";
const LARGE: Record<string, string> = {
  paragraphs: repeat(450, (n) => `Paragraph ${n}: ${WORDS}, **bold** and \`code\`.\n\n`),
  "a loose list": repeat(800, (n) => `- Item ${n}: ${WORDS}\n\n`),
  "a tight list": repeat(800, (n) => `${n + 1}. Item **${n}**: ${WORDS}\n`),
  "a list of tasks": repeat(800, (n) => `- [${n % 2 ? "x" : " "}] Task ${n}: ${WORDS}\n`),
  "a list within an item": `- All of it:\n\n${repeat(750, (n) => `  - Item ${n}: ${WORDS}\n`)}`,
  "a long item": `1. All of it:\n\n${repeat(650, (n) => `   Paragraph ${n}: ${WORDS}\n\n`)}`,
  details: `<details>\n<summary>All</summary>\n\n${repeat(700, (n) => `Paragraph ${n}: ${WORDS}\n\n`)}</details>\n`,
  "HTML without a blank line": `<div>\n${repeat(700, (n) => `<p>${n}: ${WORDS}</p>\n`)}</div>\n`,
  "an open comment": `<!--\n\n${repeat(700, (n) => `Line ${n}: ${WORDS}\n\n`)}`,
  quotes: repeat(650, (n) => `> Paragraph ${n}: ${WORDS}\n>\n`),
  "a table": `| n | words |\n|---|---|\n${repeat(750, (n) => `| ${n} | ${WORDS} |\n`)}`,
  code: `\`\`\`python\n${repeat(750, (n) => `print(${n}, "${WORDS}")\n`)}\`\`\`\n`,
  "one paragraph": repeat(750, (n) => `Line ${n} has *${WORDS}*, and a [link](https://example.org/${n})\n`),
  formulas: repeat(
    400,
    (n) => `Step ${n} costs $${n}: $x_{${n}}$ of\n\n$$\n\\frac{${n}}{2} ${WORDS}\n$$\n\n`,
  ),
  "one paragraph of money and formulas": repeat(
    450,
    (n) => `Line ${n} costs $${n}, and $x_{${n}}$ ${WORDS}\n`,
  ),
  "one line": repeat(7000, (n) => `${n}, `),
};

it("reads nothing again that is closed where a render with an earlier text comes late", () => {
  const text = LARGE["a loose list"] ?? "";
  const markdown = new GrowingMarkdown();
  for (const part of grow(text, [500])) markdown.read(part, true);
  const before = markdown.parsedChars;
  markdown.read(text.slice(0, -10), false);
  markdown.read(text, false);
  expect(markdown.parsedChars - before).toBeLessThan(8000);
});

/** Read a text to its end, as turns come. Gives what each turn gave to the parser. */
function readInTurns(markdown: GrowingMarkdown, text: string): { pieces: readonly Piece[]; turns: number[] } {
  const turns: number[] = [];
  for (;;) {
    const before = markdown.parsedChars;
    const pieces = markdown.read(text, false);
    turns.push(markdown.parsedChars - before);
    if (!markdown.isBehind) return { pieces, turns };
  }
}

it.each(Object.entries(LARGE))(
  "reads a stored text of %s in turns, and shows what it is as a whole",
  (_, text) => {
    const { pieces, turns } = readInTurns(new GrowingMarkdown(), text);
    expect(turns.length).toBeGreaterThan(5);
    expect(Math.max(...turns)).toBeLessThan(12_000);
    expect(withoutGaps(showPieces(pieces))).toBe(withoutGaps(show(text)));
  },
  60_000,
);

it("reads what has piled up in turns too, and gives every turn something new", () => {
  const text = LARGE.paragraphs ?? "";
  const markdown = new GrowingMarkdown();
  markdown.read(text.slice(0, 1000), true);
  const sizes: number[] = [];
  do {
    const before = markdown.parsedChars;
    sizes.push(showPieces(markdown.read(text, true)).length);
    expect(markdown.parsedChars - before).toBeLessThan(12_000);
  } while (markdown.isBehind);
  expect(sizes).toEqual([...new Set(sizes)].sort((one, other) => one - other));
  expect(withoutGaps(showPieces(markdown.read(text, false)))).toBe(withoutGaps(show(text)));
});

describe("a long answer", () => {
  it.each(Object.entries(LARGE))(
    "of %s is parsed a few times, not once for each piece",
    (_, text) => {
      const markdown = new GrowingMarkdown();
      let longestStep = 0;
      for (const part of grow(text, [500])) {
        const before = markdown.parsedChars;
        markdown.read(part, true);
        longestStep = Math.max(longestStep, markdown.parsedChars - before);
      }
      const pieces = markdown.read(text, false);
      expect(text.length).toBeGreaterThan(25_000);
      expect(longestStep).toBeLessThan(8_000);
      expect(markdown.parsedChars / text.length).toBeLessThan(10);
      expect(withoutGaps(showPieces(pieces))).toBe(withoutGaps(show(text)));
    },
    60_000,
  );
});
