/** Plugins for rendered Markdown: HTML becomes text, and each block gets its writing direction. */
import type { Element, Root } from "hast";

export type Direction = "ltr" | "rtl";

const BLOCKS = new Set(["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "table"]);
/** The scripts that are written from right to left. */
const LETTER = /\p{L}/u;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * Set the direction of each block by its text. This must happen after the sanitiser, which would remove the
 * attribute. `dir="auto"` is no alternative: it ignores nested elements.
 */
export function markDirections(nodes: Root["children"], around: Direction): void {
  for (const node of nodes) {
    if (node.type !== "element") continue;
    const own = BLOCKS.has(node.tagName) ? (findDirection(node.children) ?? around) : around;
    if (own !== around) node.properties.dir = own;
    markDirections(node.children, own);
  }
}

/** A node of a tree of HTML, also of one that is put together in another way. */
interface AnyNode {
  type: string;
  value?: string;
  tagName?: string;
  children?: readonly AnyNode[];
}

/** The direction of the first letter. Code does not count: it says nothing about the text around it. */
export function findDirection(nodes: readonly AnyNode[]): Direction | null {
  for (const { type, value = "", tagName, children = [] } of nodes) {
    if (type === "text") {
      const letter = LETTER.exec(value)?.[0];
      if (letter !== undefined) return RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
    } else if (tagName !== "code") {
      const found = findDirection(children);
      if (found !== null) return found;
    }
  }
  return null;
}

type Nodes = Element["children"] | Root["children"];

/** Replace raw HTML by text that shows it. */
export function showHtmlAsText() {
  return (tree: Root): void => {
    replaceRaw(tree.children);
    tree.children.forEach((node, index) => {
      if (node.type !== "text" || node.value.trim() === "") return;
      tree.children[index] = { type: "element", tagName: "p", properties: {}, children: [node] };
    });
  };
}

function replaceRaw(nodes: Nodes): void {
  nodes.forEach((node, index) => {
    if (node.type === "raw") nodes[index] = { type: "text", value: node.value };
    else if ("children" in node) replaceRaw(node.children);
  });
}
