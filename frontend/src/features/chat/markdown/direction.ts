/** Each block of a text runs as its own words do: Arabic and Hebrew from the right, also beside English. */
import type { Root } from "hast";

const BLOCKS = new Set(["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table"]);

/** A rehype plugin, for after the sanitiser, which would take it away again. */
export function directionByText() {
  return (tree: Root): void => mark(tree.children);
}

function mark(nodes: Root["children"]): void {
  for (const node of nodes) {
    if (node.type !== "element") continue;
    if (BLOCKS.has(node.tagName)) node.properties.dir = "auto";
    mark(node.children);
  }
}
