/** Coloured code in pieces of some lines each: code that grows is rendered again only at its end. Pure. */
import type { ColouredTree } from "./highlight";

/** A text and the classes around it, the outermost first. */
export interface ColouredText {
  classes: readonly string[];
  text: string;
}

/** Lines of a piece: some screens of them are one layout. */
export const PIECE_LINES = 50;

/** Cut after every `PIECE_LINES` lines; joined they are the text. */
export function splitLines(text: string): string[] {
  const pieces: string[] = [];
  let from = 0;
  for (let end = text.indexOf("\n"), lines = 1; end >= 0; end = text.indexOf("\n", end + 1), lines += 1) {
    if (lines % PIECE_LINES > 0 || end + 1 === text.length) continue;
    pieces.push(text.slice(from, end + 1));
    from = end + 1;
  }
  pieces.push(text.slice(from));
  return pieces;
}

/** The same for coloured text. */
export function splitColoured(tree: ColouredTree): ColouredText[][] {
  const pieces: ColouredText[][] = [[]];
  let lines = 0;
  for (const { classes, text } of listTexts(tree.children, [])) {
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) {
      lines += 1;
      if (lines % PIECE_LINES > 0) continue;
      pieces.at(-1)?.push({ classes, text: text.slice(from, end + 1) });
      pieces.push([]);
      from = end + 1;
    }
    if (from < text.length) pieces.at(-1)?.push({ classes, text: text.slice(from) });
  }
  return pieces.filter((piece, index) => index === 0 || piece.length > 0);
}

type Nodes =
  ColouredTree["children"] | Extract<ColouredTree["children"][number], { type: "element" }>["children"];

function* listTexts(nodes: Nodes, classes: readonly string[]): Generator<ColouredText> {
  for (const node of nodes) {
    if (node.type === "text") yield { classes, text: node.value };
    if (node.type !== "element") continue;
    const names = node.properties.className;
    yield* listTexts(node.children, Array.isArray(names) ? [...classes, names.join(" ")] : classes);
  }
}

export function isSamePiece(one: readonly ColouredText[], other: readonly ColouredText[]): boolean {
  if (one.length !== other.length) return false;
  return one.every(({ text, classes }, index) => {
    const twin = other[index];
    return twin?.text === text && twin.classes.join() === classes.join();
  });
}
