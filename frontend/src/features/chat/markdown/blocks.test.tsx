/** Markdown read piece by piece gives what it gives as a whole. */
import fc from "fast-check";
import { renderToStaticMarkup } from "react-dom/server";
import ReactMarkdown from "react-markdown";
import remarkGfm from "remark-gfm";
import { describe, expect, it } from "vitest";

import { splitBlocks } from "./blocks";

const PIECES = [
  "A paragraph\nof two lines",
  "# Heading",
  "Title\n=====",
  "- one\n- two",
  "- one\n\n- two\n\n  more of two",
  "1. first\n\n   ```py\n   x = 1\n\n   y = 2\n   ```\n2. second",
  "   1) indented",
  "```js\nlet a;\n\n# no heading\n- no item\n```",
  "~~~\n```\n\nstill code\n~~~",
  "````md\n```\ninner\n\n```\n````",
  "    indented\n\n    code",
  "> quoted\n\n> again",
  "> ```\n> in a quote",
  "| a | b |\n|---|---|\n| 1 | 2 |",
  "***",
  "- [x] done",
  "*",
  "``` not ` a fence",
  "<div>\n\nhtml\n\n</div>",
  "<!-- a\n\ncomment -->",
  "[text][x] and [^1]",
  "[x]: https://example.org",
  "[^1]: A note\n\n    goes on",
  "\\",
  "```",
  "",
];

function html(text: string): string {
  return renderToStaticMarkup(<ReactMarkdown remarkPlugins={[remarkGfm]}>{text}</ReactMarkdown>);
}

/** Blank lines between blocks are nobody's. */
const withoutGaps = (page: string) => page.replace(/\n+/g, "\n").trim();

describe("splitBlocks", () => {
  it("loses nothing, and changes nothing", () => {
    const document = fc.array(
      fc.tuple(fc.constantFrom(...PIECES), fc.constantFrom("\n", "\n\n", "\n \n\n")),
      { maxLength: 7 },
    );
    fc.assert(
      fc.property(document, fc.nat(400), (pieces, cut) => {
        const text = pieces
          .flat()
          .join("")
          .slice(0, 400 - cut); // as it comes, it ends anywhere
        const blocks = splitBlocks(text);
        expect(blocks.join("")).toBe(text);
        expect(withoutGaps(blocks.map(html).join("\n"))).toBe(withoutGaps(html(text)));
      }),
      { numRuns: Number(process.env.RUNS ?? 200) },
    );
  }, 300_000);

  it("cuts an ordinary answer into its paragraphs", () => {
    expect(splitBlocks("One.\n\nTwo:\n\n- a\n\n- b\n\n```\nx\n\ny\n```\n\nThree.")).toEqual([
      "One.\n\n",
      "Two:\n\n- a\n\n- b\n\n",
      "```\nx\n\ny\n```\n\n",
      "Three.",
    ]);
  });
});
