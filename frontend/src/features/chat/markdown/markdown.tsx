/** Text of models and people as Markdown: no raw HTML, no remote images, links that open elsewhere. */
import type { Element, Root } from "hast";
import { memo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize from "rehype-sanitize";
import remarkGfm from "remark-gfm";

import { blocksOf } from "./blocks";
import { CodeBlock } from "./code-block";
import { directionByText } from "./direction";
import { ImageLink } from "./image-link";
import "./markdown.css";
import { TaskBox } from "./task-box";

const REMARK = [remarkGfm];
// Written HTML is text like any other: shown, never run, and not swallowed by the sanitiser either.
const REHYPE = [htmlAsText, rehypeSanitize, directionByText];

const COMPONENTS: Components = {
  a: ({ href, children, title }) =>
    /^(https?:|mailto:)/i.test(href ?? "") ? (
      <a href={href} title={title} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      <span>{children}</span> // #… would be a page of this app, and a bare path a route of its server
    ),
  img: ({ src, alt }) => <ImageLink src={typeof src === "string" ? src : ""} alt={alt ?? ""} />,
  input: ({ checked }) => <TaskBox isDone={checked === true} />, // the sanitiser leaves boxes of tasks alone
  pre: ({ node }) => {
    const code = node?.children[0];
    if (code?.type !== "element") return null;
    const names = code.properties.className;
    const language = Array.isArray(names) ? String(names[0]).replace("language-", "") : "";
    return <CodeBlock code={textOf(code).replace(/\n$/, "")} language={language} />;
  },
  table: ({ children, dir }) => (
    <div className="markdown-table" tabIndex={0} role="group">
      <table dir={dir}>{children}</table>
    </div>
  ),
};

/** `live`: more is to come, and a cursor stands at its end. */
export const Markdown = memo(function Markdown({ text, live = false }: { text: string; live?: boolean }) {
  return (
    <div className={live ? "markdown markdown-live" : "markdown"}>
      {blocksOf(text).map((block, index) => (
        <Block key={index} text={block} />
      ))}
    </div>
  );
});

/** What stands finished above the cursor is not parsed again for each word. */
const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={REMARK} rehypePlugins={REHYPE} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  );
});

type Nodes = Element["children"] | Root["children"];

function htmlAsText() {
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

function textOf(node: Element): string {
  return node.children
    .map((child) => (child.type === "text" ? child.value : child.type === "element" ? textOf(child) : ""))
    .join("");
}
