/** LaTeX of strangers becomes mathematics, or nothing. */
import { describe, expect, it } from "vitest";

import { type MathElement, MOST_TEX_CHARS, typeset } from "./typeset";

const list = (node: MathElement | string | null): MathElement[] =>
  node === null || typeof node === "string" ? [] : [node, ...node.children.flatMap(list)];

describe("typeset", () => {
  it.each([
    "\\frac{a}{b}",
    "\\begin{aligned} a &= b \\\\ - c &= d \\end{aligned}",
    "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}",
    "\\sum_{i=1}^{n} x_i^2 \\to \\infty",
    "\\text{if } x \\in \\mathbb{R}, \\mathcal{O}(n \\log n)",
    "\\color{red} x \\boxed{y} \\cancel{z}",
    "\\begin{cases} 1 & x > 0 \\\\ 0 & \\text{otherwise} \\end{cases}",
  ])("gives %s as MathML, with its source for who reads aloud", (tex) => {
    const tree = typeset(tex, true);
    expect(tree?.tag).toBe("math");
    expect(tree?.attributes.display).toBe("block");
    expect(tree?.attributes.alttext).toBe(tex);
    expect(list(tree).length).toBeGreaterThan(3);
  });

  it.each(["\\frac{1", "\\nocommand{x}", "x^2^2", "\\begin{aligned}", "}", "\\left( x"])(
    "gives nothing for %s",
    (tex) => {
      expect(typeset(tex, false)).toBeNull();
    },
  );

  it.each([
    "\\href{javascript:alert(1)}{x}",
    "\\url{javascript:alert(1)}",
    "\\includegraphics{https://evil.example/x.png}",
    "\\htmlClass{a}{x}\\htmlStyle{background:url(https://evil.example)}{x}",
    '\\htmlData{onclick="alert(1)"}{x}\\htmlId{root}{x}',
    "\\text{<img src=x onerror=alert(1)><script>alert(1)</script>}",
    '\\class{"><script>}{x}',
    "\\style{background:url(https://evil.example)}{x}",
    "\\color{url(https://evil.example)}{x}",
    '\\text{"onload="alert(1)} \\label{x"y} \\tag{<b>}',
  ])("lets nothing but mathematics out of %s", (tex) => {
    const nodes = list(typeset(tex, true));
    for (const { tag, attributes, style } of nodes) {
      expect(tag).toMatch(/^(math|m[a-z]+)$/);
      expect(Object.keys(attributes).filter((name) => /^(on.*|href|src|id|style)$/.test(name))).toEqual([]);
      expect(JSON.stringify(style)).not.toMatch(/url|javascript|expression/i);
    }
  });

  it("ends what never ends, and leaves what is too long alone", () => {
    expect(typeset("\\def\\a{\\a\\a}\\a", false)).toBeNull();
    expect(typeset("\\def\\a{x\\a}\\a", false)).toBeNull();
    expect(typeset("{".repeat(MOST_TEX_CHARS / 2) + "}".repeat(MOST_TEX_CHARS / 2), false)).toBeNull();
    expect(typeset("x".repeat(MOST_TEX_CHARS + 1), false)).toBeNull();
    expect(typeset("\\sqrt{".repeat(3000) + "}".repeat(3000), false)).toBeNull();
  });

  it("takes macros, and stops those that grow before they cost time", () => {
    expect(typeset("\\newcommand{\\mine}{\\mathbb{R}} x \\in \\mine", false)).not.toBeNull();
    const bombs = [
      `\\def\\a{${"x".repeat(9000)}}${"\\a".repeat(450)}`,
      `\\def\\a#1{${"#1".repeat(2000)}}\\a{\\a{${"x".repeat(5000)}}}`,
      `\\def\\a{x}${"\\edef\\a{\\a\\a}".repeat(20)}\\a`,
      `\\def\\a{${"x".repeat(3000)}}\\def\\b{${"\\a".repeat(2000)}}\\b`,
    ];
    // Expanded they take seconds each.
    for (let n = 0; n < 5; n += 1) for (const tex of bombs) expect(typeset(tex, true)).toBeNull();
  }, 20_000);

  it("keeps no macro from one formula for the next", () => {
    typeset("\\gdef\\mine{x} \\mine", false);
    expect(typeset("\\mine", false)).toBeNull();
  });

  it("moves nothing far out of its place", () => {
    const nodes = list(typeset("\\hspace{100000em} x \\kern{-9999em} y \\rule{9999em}{9999em}", false));
    for (const { attributes, style } of nodes)
      for (const value of [...Object.values(attributes), ...Object.values(style)])
        expect(Math.abs(Number.parseFloat(value) || 0)).toBeLessThanOrEqual(300);
  });
});
