/** A table as other programs read it: cells stay cells, and compute nothing. */
import { expect, it } from "vitest";

import { readCells, readMarkdownTable, toCsv, toTsv } from "./table-text";

function makeTable(html: string): HTMLTableElement {
  const page = new DOMParser().parseFromString(`<table>${html}</table>`, "text/html");
  const table = document.importNode(page.querySelector("table") as HTMLTableElement, true);
  return table;
}

const TABLE = makeTable(
  `<thead><tr><th>Name</th><th align="right">Price, in $</th></tr></thead>
  <tbody>
    <tr><td><code>a|b</code></td><td>"5"</td></tr>
    <tr><td><strong>bold</strong> and <em>so</em></td><td><math alttext="x^2"><msup><mi>x</mi></msup></math></td></tr>
    <tr><td><a href="https://example.org">a link</a> | more</td><td>two<br>lines</td></tr>
    <tr><td>=SUM(A1)</td><td>-12.5</td></tr>
    <tr><td>@cmd</td><td>-cmd</td></tr>
  </tbody>`,
);

it("writes CSV with quotes where they are needed", () => {
  expect(toCsv(readCells(TABLE)).split("\r\n")).toEqual([
    'Name,"Price, in $"',
    'a|b,"""5"""',
    "bold and so,x^2",
    "a link | more,twolines",
    "'=SUM(A1),-12.5",
    "'@cmd,'-cmd",
  ]);
});

it("writes tab-separated values without quotes", () => {
  expect(
    toTsv([
      ["a\tb", "c\nd"],
      ["+1", "=x"],
    ]),
  ).toBe("a b\tc d\n+1\t'=x");
});

it("writes Markdown that has what the words have", () => {
  expect(readMarkdownTable(TABLE).split("\n")).toEqual([
    "| Name | Price, in $ |",
    "| --- | --: |",
    '| `a\\|b` | "5" |',
    "| **bold** and *so* | $x^2$ |",
    "| [a link](https://example.org) \\| more | two<br>lines |",
    "| =SUM(A1) | -12.5 |",
    "| @cmd | -cmd |",
  ]);
});
