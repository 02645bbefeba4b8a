/** Finds where a paragraph can be cut so that nothing written later changes what stands before. Pure. */
import type { Nodes } from "mdast";

import { isOpenMark } from "../formulas/math-syntax";

/**
 * The last place at which a paragraph can be cut: before white space outside of all marks, where no mark is
 * open that later text may close. Null where there is none.
 *
 * @param source what was parsed
 */
export function findCut(source: string, paragraph: Nodes): number | null {
  if (!("children" in paragraph)) return null;
  const heads = findHeads(source);
  let brackets = 0;
  let cut: number | null = null;
  for (const child of paragraph.children)
    for (const { start, end } of listTexts(child))
      for (let at = start; at < end; at += 1) {
        const letter = source[at] ?? "";
        if (isOpenMark(source, at)) return cut;
        else if (isEscape(source, at)) at += 1;
        else if (isOpener(source, at)) return cut;
        else if (letter === "[") brackets += 1;
        else if (letter === "]") brackets = Math.max(0, brackets - 1);
        else if (child.type === "text" && brackets === 0 && at > start && at + 1 < end && isGap(source, at))
          cut = at <= heads || !hasCells(source, at) ? at : cut;
      }
  return cut;
}

/** Where the last two lines begin, which may still become the head of a table. */
const findHeads = (source: string): number => {
  const last = source.lastIndexOf("\n");
  return last < 0 ? 0 : source.lastIndexOf("\n", last - 1);
};

/** A line without its first cells would be another row. */
const hasCells = (source: string, at: number): boolean => readLine(source, at).includes("|");

const isEscape = (source: string, at: number): boolean =>
  source[at] === "\\" && /[!-/:-@[-`{-~]/.test(source[at + 1] ?? "");

/** Whether a mark that has found no end yet may find one. */
function isOpener(source: string, at: number): boolean {
  const next = source[at + 1] ?? "";
  switch (source[at]) {
    case "`":
      return true;
    case "<":
      return next === "" || /[a-z/!?]/i.test(next);
    case "*":
    case "~":
      return !/\s/.test(next);
    case "_":
      return !/\s/.test(next) && !/[\p{L}\p{N}]/u.test(source[at - 1] ?? "");
    default:
      return false;
  }
}

/** The first white space after a word, and not after the marks of quotes. */
const isGap = (source: string, at: number): boolean =>
  /\s/.test(source[at] ?? "") &&
  !/[\s\\]/.test(source[at - 1] ?? " ") &&
  !/^[\s>]*$/.test(readLine(source, at));

/** What stands before a place in its line. */
const readLine = (source: string, at: number): string =>
  source.slice(source.lastIndexOf("\n", at - 1) + 1, at);

/** Where the texts of a node stand. */
function* listTexts(node: Nodes): Generator<{ start: number; end: number }> {
  const start = node.position?.start.offset;
  const end = node.position?.end.offset;
  if (node.type === "text" && start !== undefined && end !== undefined) yield { start, end };
  if ("children" in node) for (const child of node.children) yield* listTexts(child);
}
