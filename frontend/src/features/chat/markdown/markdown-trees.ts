/** Markdown to the trees of its blocks, and those to HTML that is shown: sanitised, raw HTML as text. */
import type { Element, ElementContent, Root as HtmlRoot } from "hast";
import type { BlockContent, List, ListItem, Root, RootContent, Table } from "mdast";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import remarkRehype from "remark-rehype";
import { unified } from "unified";

import { showHtmlAsText } from "./rehype-plugins";
import { MATH_DISPLAY, MATH_INLINE, noteClosedFences, readFormulas } from "./remark-plugins";

const parser = unified().use(remarkParse).use(remarkGfm).use(readFormulas).use(noteClosedFences).freeze();
const SCHEMA: typeof defaultSchema = {
  ...defaultSchema,
  attributes: {
    ...defaultSchema.attributes,
    code: [["className", /^language-./, MATH_INLINE, MATH_DISPLAY], "dataClosed"],
  },
};
// HTML is shown as text: it never runs, and the sanitiser does not drop it.
const converter = unified()
  .use(remarkRehype, { allowDangerousHtml: true })
  .use(showHtmlAsText)
  .use(rehypeSanitize, SCHEMA)
  .freeze();

export function parseMarkdown(text: string): Root {
  return parser.parse(text);
}

/** @param isInDocument HTML becomes a paragraph there, and a text in other blocks */
export function convertBlocks(blocks: readonly RootContent[], isInDocument: boolean): ElementContent[] {
  if (isInDocument) return run([...blocks]);
  const around = run([{ type: "blockquote", children: [...blocks] as BlockContent[] }])[0];
  return around?.type === "element" ? around.children.filter(isShown) : [];
}

/** Items of a list, with their paragraphs as such: whether the list is tight may not be known yet. */
export function convertItems(list: List, items: readonly ListItem[]): Element[] {
  const around = run([{ ...list, spread: true, children: [...items] }])[0];
  return around?.type === "element" ? around.children.filter((child) => child.type === "element") : [];
}

/** The head of a table, and the rows of its body. */
export function convertRows(table: Table): { head: Element[]; rows: Element[] } {
  const around = run([table])[0];
  const parts = around?.type === "element" ? around.children.filter((child) => child.type === "element") : [];
  const head = parts.filter(({ tagName }) => tagName === "thead");
  const body = parts.find(({ tagName }) => tagName === "tbody");
  return { head, rows: body?.children.filter((child) => child.type === "element") ?? [] };
}

function run(children: RootContent[]): ElementContent[] {
  const tree: HtmlRoot = converter.runSync({ type: "root", children });
  return tree.children.filter((child): child is ElementContent => isShown(child));
}

const isShown = (node: HtmlRoot["children"][number]): boolean =>
  node.type === "element" || (node.type === "text" && node.value.trim() !== "");
