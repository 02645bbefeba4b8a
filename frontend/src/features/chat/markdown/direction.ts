/** Each block of a text runs as its own first word does: Arabic and Hebrew from the right, also beside English. */
import type { Element, Root } from "hast";

type Direction = "ltr" | "rtl";

const BLOCKS = new Set(["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "table"]);
/** The first letter, and the scripts that are written from the right. */
const LETTER = /\p{L}/u;
const FROM_RIGHT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** A rehype plugin, for after the sanitiser, which would take it away again. Not `dir="auto"`, which overlooks what
 * is nested. */
export function directionByText() {
  return (tree: Root): void => mark(tree.children, "ltr");
}

function mark(nodes: Root["children"], around: Direction): void {
  for (const node of nodes) {
    if (node.type !== "element") continue;
    const own = BLOCKS.has(node.tagName) ? (directionOf(node) ?? around) : around;
    if (own !== around) node.properties.dir = own;
    mark(node.children, own);
  }
}

/** That of the first letter; code says nothing about the text around it. */
function directionOf(element: Element): Direction | null {
  for (const node of element.children) {
    if (node.type === "text") {
      const letter = LETTER.exec(node.value)?.[0];
      if (letter !== undefined) return FROM_RIGHT.test(letter) ? "rtl" : "ltr";
    } else if (node.type === "element" && node.tagName !== "code") {
      const found = directionOf(node);
      if (found !== null) return found;
    }
  }
  return null;
}
