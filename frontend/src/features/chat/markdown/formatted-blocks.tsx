/** Markdown of models as formatted blocks: without raw HTML and remote images, links in a new tab. */
import type { Element } from "hast";
import { memo } from "react";
import { useTranslation } from "react-i18next";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize from "rehype-sanitize";
import remarkGfm from "remark-gfm";

import { splitBlocks } from "./blocks";
import { CodeBlock } from "./code-block";
import { setDirections, showHtmlAsText } from "./rehype-plugins";

const REMARK = [remarkGfm];
// HTML is shown as text: it never runs, and the sanitiser does not drop it.
const REHYPE = [showHtmlAsText, rehypeSanitize, setDirections];

const COMPONENTS: Components = {
  a: ({ href, children, title }) =>
    /^(https?:|mailto:)/i.test(href ?? "") ? (
      <a href={href} title={title} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      <span>{children}</span> // a link to #… or to a path would lead into this app or its server
    ),
  img: ({ src, alt }) => <ImageLink src={typeof src === "string" ? src : ""} alt={alt ?? ""} />,
  // The sanitiser allows only the boxes of task lists.
  input: ({ checked }) => <TaskBox isDone={checked === true} />,
  pre: ({ node }) => {
    const code = node?.children[0];
    if (code?.type !== "element") return null;
    const names = code.properties.className;
    const language = Array.isArray(names) ? String(names[0]).replace("language-", "") : "";
    return <CodeBlock code={collectText(code).replace(/\n$/, "")} language={language} />;
  },
  table: ({ children, dir }) => (
    <div className="markdown-table" tabIndex={0} role="group">
      <table dir={dir}>{children}</table>
    </div>
  ),
};

export function FormattedBlocks({ text }: { text: string }) {
  return splitBlocks(text).map((block, index) => <Block key={index} text={block} />);
}

/** A block that does not change is not parsed again. */
const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={REMARK} rehypePlugins={REHYPE} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  );
});

function collectText(node: Element): string {
  return node.children
    .map((child) =>
      child.type === "text" ? child.value : child.type === "element" ? collectText(child) : "",
    )
    .join("");
}

/** An image as a link: loading it would tell its host who reads it, and when. */
function ImageLink({ src, alt }: { src: string; alt: string }) {
  const { t } = useTranslation();
  const host = URL.canParse(src) ? new URL(src).host : "";
  if (!/^https?:/.test(src))
    return alt === "" ? null : <span className="text-muted">{t("chat.imageNotShown", { alt })}</span>;
  return (
    <a href={src} target="_blank" rel="noopener noreferrer nofollow" title={t("chat.imageNotLoaded")}>
      {t("chat.imageFrom", { alt: alt || t("chat.image"), host })}
    </a>
  );
}

/** The check box of a task list: read only, with a name for screen readers. */
function TaskBox({ isDone }: { isDone: boolean }) {
  const { t } = useTranslation();
  return (
    <input type="checkbox" disabled checked={isDone} aria-label={t(isDone ? "chat.done" : "chat.toDo")} />
  );
}
