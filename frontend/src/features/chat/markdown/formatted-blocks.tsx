/** Markdown of models as formatted blocks: without raw HTML and remote images, links in a new tab. */
import type { Element, Properties } from "hast";
import { type Options, toJsxRuntime } from "hast-util-to-jsx-runtime";
import {
  type ComponentProps,
  createElement,
  Fragment,
  type JSX,
  memo,
  type ReactNode,
  useState,
} from "react";
import { jsx, jsxs } from "react/jsx-runtime";
import { useTranslation } from "react-i18next";

import { CodeBlock } from "./code-block";
import { GrowingMarkdown, type Grown, type Piece } from "./growing-markdown";

type Shown<Tag extends keyof JSX.IntrinsicElements> = (
  props: ComponentProps<Tag> & { node?: Element },
) => ReactNode;

type Components = {
  a: Shown<"a">;
  img: Shown<"img">;
  input: Shown<"input">;
  pre: Shown<"pre">;
  table: Shown<"table">;
};

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
  table: ({ children, dir }) => <TableBox dir={dir}>{children}</TableBox>,
};

const TO_REACT = {
  ...{ Fragment, jsx, jsxs, development: false, ignoreInvalidStyle: true, passNode: true },
  components: COMPONENTS,
} as Options;

/** @param isLive more of the text is to come: only its end is parsed and rendered again */
export function FormattedBlocks({ text, isLive = false }: { text: string; isLive?: boolean }) {
  const [markdown] = useState(() => new GrowingMarkdown());
  return <Pieces pieces={markdown.read(text, isLive)} />;
}

export function Pieces({ pieces, isTight = false }: { pieces: readonly Piece[]; isTight?: boolean }) {
  return pieces.map((piece, index) => <PieceView key={index} piece={piece} isTight={isTight} />);
}

/** A piece that does not change is not rendered again. */
const PieceView = memo(function PieceView({ piece, isTight }: { piece: Piece; isTight: boolean }) {
  if (piece.type === "text") return piece.value;
  if (piece.type === "grown") return <GrownView grown={piece} isTight={isTight} />;
  if (piece.type !== "element") return null;
  const isTightItem = isTight && piece.tagName === "li";
  const shown = isTightItem ? { ...piece, children: unwrapParagraphs(piece.children) } : piece;
  return toJsxRuntime(shown, TO_REACT) as ReactNode;
});

function GrownView({ grown, isTight }: { grown: Grown; isTight: boolean }) {
  const { tagName, properties, children } = grown;
  const isTightItem = isTight && tagName === "li";
  const inner = (
    <Pieces pieces={isTightItem ? unwrapParagraphs(children) : children} isTight={grown.isTight} />
  );
  const attributes = toAttributes(properties);
  if (tagName === "table") return <TableBox {...attributes}>{inner}</TableBox>;
  return createElement(tagName, attributes, inner);
}

/** The paragraphs of an item of a tight list are no paragraphs. */
function unwrapParagraphs<Node extends Piece>(children: readonly Node[]): Node[] {
  return children.flatMap((child) =>
    child.type === "element" && child.tagName === "p" ? (child.children as Node[]) : [child],
  );
}

/** Of the few attributes that lists, items and tables have. */
function toAttributes({ className, start, dir }: Properties): Record<string, string | number> {
  return {
    ...(Array.isArray(className) ? { className: className.join(" ") } : {}),
    ...(typeof start === "number" ? { start } : {}),
    ...(typeof dir === "string" ? { dir } : {}),
  };
}

function TableBox({ dir, children }: { dir?: string | undefined; children?: ReactNode }) {
  return (
    <div className="markdown-table" tabIndex={0} role="group">
      <table dir={dir}>{children}</table>
    </div>
  );
}

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
