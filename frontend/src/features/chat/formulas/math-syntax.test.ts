/** Which dollars and brackets are formulas, and which are money, names and escapes. */
import type { Nodes } from "mdast";
import { describe, expect, it } from "vitest";

import { parseMarkdown } from "../markdown/markdown-trees";
import { MOST_BLOCK_CHARS, MOST_INLINE_CHARS } from "./math-syntax";

/** The formulas of a text: those of a line, and with `block` those of their own. */
function listFormulas(text: string): string[] {
  const found: string[] = [];
  const walk = (node: Nodes): void => {
    const { type } = node as { type: string };
    if (type === "inlineMath" && "value" in node) found.push(node.value);
    if (type === "math" && "value" in node) found.push(`block ${node.value.trim()}`);
    if ("children" in node) node.children.forEach(walk);
  };
  walk(parseMarkdown(text));
  return found;
}

describe("money, names and escapes", () => {
  it.each([
    "It costs $5 and $6.",
    "between $5-$6, or US$5 and CA$6",
    "$20,000 and $30,000",
    "costs 5$ or 6$",
    "$10 (or 12$)",
    "echo $HOME and $PATH, or $HOME/$USER",
    "a lone $ sign, and $$ too",
    "a `$x$` in code, and $x `of$` code",
    "\\$x\\$ is escaped",
    "$ x $ has room around it",
    "$$$ and $$$$ are nothing",
    "[a\\[b\\](https://example.org) and \\[c\\](d)",
    "\\( \\) and \\[ \\] are empty",
    "    $$\n    indented code\n    $$",
    "```\n$$\nx\n$$\n```",
  ])("are no formulas: %s", (text) => {
    expect(listFormulas(text)).toEqual([]);
  });
});

describe("formulas", () => {
  it.each<[string, string[]]>([
    ["$x$", ["x"]],
    ["so $a_1 + b_2$, and ($c$).", ["a_1 + b_2", "c"]],
    ["$2x + 3$ and $2 \\text{ to } 3$", ["2x + 3", "2 \\text{ to } 3"]],
    ["it is $5, but $x$ is not", ["x"]],
    ["$\\$5$ and $a\\\\b$", ["\\$5", "a\\\\b"]],
    ["\\(x^2\\) and \\[y\\] in a line", ["x^2", "y"]],
    ["a $$x + \\text{$y$}$$ in a line", ["x + \\text{$y$}"]],
    ["over $a\n= b$ lines", ["a\n= b"]],
    ["**bold $x$** and | $y$", ["x", "y"]],
    ["$$x$$", ["block x"]],
    ["$$\nx\n$$", ["block x"]],
    ["\\[\nx\n\\]", ["block x"]],
    [
      "$$x = \\begin{cases}\n- 1\n> 2\n# 3\n\\end{cases}$$.",
      ["block x = \\begin{cases}\n- 1\n> 2\n# 3\n\\end{cases}."],
    ],
    ["so it is:\n\\[\nx\n\\]\nand more $y$", ["block x", "y"]],
    ["so it is: $$\nx\n$$\nand more", ["\nx\n"]],
    ["- one\n  $$\n  x\n  $$\n- two $y$", ["block x", "y"]],
    ["> $$\n> x\n> $$", ["block x"]],
    ["$$x$$ where x is one", ["x"]],
    ["$$\nx\n$$ where x is one", ["\nx\n"]],
    ["| a |\n|---|\n| $x$ |", ["x"]],
  ])("are found: %s", (text, formulas) => {
    expect(listFormulas(text)).toEqual(formulas);
  });

  it("end with the block, the quote or the list where their mark has no partner", () => {
    expect(listFormulas("$$\nx\n\nmore $y$")).toEqual(["block $$\nx", "y"]);
    expect(listFormulas("> $$\n> x\n\nmore $y$")).toEqual(["block $$\nx", "y"]);
    expect(listFormulas("> \\[\n> x\nlazy")).toEqual(["block \\[\nx"]);
  });

  it("have limits", () => {
    expect(listFormulas(`$${"x".repeat(MOST_INLINE_CHARS + 1)}$`)).toEqual([]);
    const [block] = listFormulas(`$$\n${"x\n".repeat(MOST_BLOCK_CHARS)}$$`);
    expect(block?.length).toBeLessThan(2 * MOST_BLOCK_CHARS);
  });

  it("are looked for in time that grows as the text does", () => {
    for (const mark of ["$a ", "$$a ", "\\(a ", "\\[a ", "$$\na\n\n", "a\n$$ b\n"]) {
      const start = performance.now();
      expect(listFormulas(mark.repeat(1500)).length).toBeLessThan(1501);
      expect(performance.now() - start).toBeLessThan(30_000);
    }
  });
});
