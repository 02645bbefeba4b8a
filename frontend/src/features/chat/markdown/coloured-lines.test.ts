/** Cut into pieces, code is the same code with the same colours. */
import { expect, test } from "vitest";

import { type ColouredText, isSamePiece, PIECE_LINES, splitColoured, splitLines } from "./coloured-lines";
import { highlight } from "./highlight";

const LINES = Array.from({ length: 2 * PIECE_LINES + 7 }, (_, n) => `say("${n}") # line`).join("\n");
const join = (pieces: ColouredText[][]): string =>
  pieces
    .flat()
    .map(({ text }) => text)
    .join("");

test("pieces of plain lines are the text, and those that are full stay as they are", () => {
  for (const text of ["", "\n", "one", "one\n", LINES, `${LINES}\n`])
    expect(splitLines(text).join("")).toBe(text);
  expect(splitLines(LINES)).toHaveLength(3);
  expect(splitLines(`${LINES}\nmore`).slice(0, 2)).toEqual(splitLines(LINES).slice(0, 2));
});

test("pieces of coloured lines keep their classes, also where a text goes over several pieces", async () => {
  const code = `${LINES}\n"""${"a\n".repeat(2 * PIECE_LINES)}"""\n`;
  const found = await highlight(code, "python");
  const pieces = splitColoured(found?.tree ?? { type: "root", children: [] });
  expect(join(pieces)).toBe(code);
  expect(pieces[0]?.filter(({ classes }) => classes.includes("hljs-comment"))).toHaveLength(PIECE_LINES);
  expect(pieces.at(-2)?.every(({ classes }) => classes.includes("hljs-string"))).toBe(true);
  const longer = await highlight(`${code}more()\n`, "python");
  const again = splitColoured(longer?.tree ?? { type: "root", children: [] });
  expect(again.slice(0, 3).map((piece, index) => isSamePiece(piece, pieces[index] ?? []))).toEqual([
    true,
    true,
    true,
  ]);
  expect(isSamePiece(pieces[0] ?? [], pieces[1] ?? [])).toBe(false);
});
