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
  useDeferredValue,
  useEffect,
  useId,
  useReducer,
  useState,
} from "react";
import { jsx, jsxs } from "react/jsx-runtime";
import { useTranslation } from "react-i18next";

import { Diagram } from "../diagrams/diagram";
import { Formula } from "../formulas/formula";
import { CodeBlock } from "./code-block";
import { isNoteLink, NoteItem, NoteLink, NotesContext, NotesSection } from "./footnotes";
import { GrowingMarkdown, type Grown, type Piece } from "./growing-markdown";
import { MATH_DISPLAY, MATH_INLINE } from "./remark-plugins";
import { TableBlock } from "./table-block";
import { waitForTurn } from "./turns";
import { WordsContext } from "./words-context";

type Shown<Tag extends keyof JSX.IntrinsicElements> = (
  props: ComponentProps<Tag> & { node?: Element },
) => ReactNode;

type Components = {
  a: Shown<"a">;
  code: Shown<"code">;
  h2: Shown<"h2">;
  img: Shown<"img">;
  input: Shown<"input">;
  li: Shown<"li">;
  pre: Shown<"pre">;
  section: Shown<"section">;
  table: Shown<"table">;
};

const COMPONENTS: Components = {
  a: ({ href, children, title, node }) =>
    node && isNoteLink(node) ? (
      <NoteLink node={node}>{children}</NoteLink>
    ) : /^(https?:|mailto:)/i.test(href ?? "") ? (
      <a href={href} title={title} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      <span>{children}</span> // a link to #… or to a path would lead into this app or its server
    ),
  code: ({ node, children }) => {
    const isDisplay = hasClass(node, MATH_DISPLAY);
    if (!node || !(isDisplay || hasClass(node, MATH_INLINE))) return <code>{children}</code>;
    return <Formula tex={collectText(node)} isDisplay={isDisplay} isOpen={!isClosed(node)} />;
  },
  h2: ({ node: _node, id, children, ...rest }) =>
    id?.endsWith("footnote-label") ? null : <h2 {...rest}>{children}</h2>,
  img: ({ src, alt }) => <ImageLink src={typeof src === "string" ? src : ""} alt={alt ?? ""} />,
  // The sanitiser allows only the boxes of task lists.
  input: ({ checked }) => <TaskBox isDone={checked === true} />,
  li: ({ node: _node, ...item }) => <NoteItem {...item} />,
  pre: ({ node }) => {
    const code = node?.children[0];
    if (code?.type !== "element") return null;
    const text = collectText(code).replace(/\n$/, "");
    if (hasClass(code, MATH_DISPLAY)) return <Formula tex={text} isDisplay isOpen={!isClosed(code)} />;
    const names = code.properties.className;
    const language = Array.isArray(names) ? String(names[0]).replace("language-", "") : "";
    if (language.toLowerCase() === "mermaid" && isClosed(code)) return <Diagram code={text} />;
    return <CodeBlock code={text} language={language} />;
  },
  section: ({ children }) => <NotesSection>{children}</NotesSection>,
  table: ({ children, dir }) => <TableBlock dir={dir}>{children}</TableBlock>,
};

const hasClass = (node: Element | undefined, name: string): boolean =>
  Array.isArray(node?.properties.className) && node.properties.className.includes(name);

const isClosed = ({ properties }: Element): boolean => properties.dataClosed !== undefined;

const TO_REACT = {
  ...{ Fragment, jsx, jsxs, development: false, ignoreInvalidStyle: true, passNode: true },
  components: COMPONENTS,
} as Options;

/** @param isLive more of the text is to come: only its end is parsed and rendered again */
export function FormattedBlocks({ text, isLive = false }: { text: string; isLive?: boolean }) {
  const [markdown] = useState(() => new GrowingMarkdown());
  const [, readOn] = useReducer((turns: number) => turns + 1, 0);
  const pieces = markdown.read(text, isLive);
  const { isBehind } = markdown;
  useEffect(() => (isBehind ? waitForTurn(readOn) : undefined));
  const { t } = useTranslation();
  const words = useDeferredValue(t); // a thousand blocks of code have labels
  const groups = splitPieces(pieces);
  return (
    <WordsContext value={words}>
      <NotesContext value={useId()}>
        {groups.map((group, index) => (
          <div key={index} className={index < groups.length - OPEN_GROUPS ? namePart(group[0]) : "contents"}>
            <PieceGroup pieces={group} isTight={false} />
          </div>
        ))}
      </NotesContext>
    </WordsContext>
  );
}

/** Of a thousand pieces only the group that has changed is looked through. */
const GROUP_PIECES = 50;
/** The last groups stay as they are: they are on the screen while an answer grows. */
const OPEN_GROUPS = 2;

function splitPieces(pieces: readonly Piece[]): (readonly Piece[])[] {
  const groups = Math.ceil(pieces.length / GROUP_PIECES);
  return Array.from({ length: groups }, (_, index) =>
    pieces.slice(index * GROUP_PIECES, (index + 1) * GROUP_PIECES),
  );
}

/** A part of a long text: the browser leaves it alone while it is far from the screen. */
function namePart(first: Piece | undefined): string {
  const isHeading = first?.type === "element" && /^h[1-6r]$/.test(first.tagName);
  return isHeading ? "markdown-part markdown-part-headed" : "markdown-part";
}

interface PiecesProps {
  pieces: readonly Piece[];
  isTight?: boolean;
}

export function Pieces({ pieces, isTight = false }: PiecesProps) {
  return splitPieces(pieces).map((group, index) => (
    <PieceGroup key={index} pieces={group} isTight={isTight} />
  ));
}

const PieceGroup = memo(
  function PieceGroup({ pieces, isTight = false }: PiecesProps) {
    return pieces.map((piece, index) => <PieceView key={index} piece={piece} isTight={isTight} />);
  },
  (before, now) =>
    before.isTight === now.isTight &&
    before.pieces.length === now.pieces.length &&
    before.pieces.every((piece, index) => piece === now.pieces[index]),
);

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
  if (tagName === "table") return <TableBlock {...attributes}>{inner}</TableBlock>;
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
