/** Footnotes and the ways to them and back. Each text has ids of its own; the address is the page's route. */
import type { Element } from "hast";
import { createContext, type ReactNode, useContext } from "react";

import { WordsContext } from "./words-context";

/** What the ids of one text begin with. */
export const NotesContext = createContext("");

/** The name of a note in an id or an address that the converter has made; null for others. */
export function readNoteName(value: unknown): string | null {
  return /^#?(?:user-content-)+(fn(?:ref)?-.+)$/.exec(String(value))?.[1] ?? null;
}

const isMarked = (node: Element | undefined, name: string): boolean => node?.properties[name] !== undefined;

export const isNoteLink = (node: Element | undefined): boolean =>
  isMarked(node, "dataFootnoteRef") || isMarked(node, "dataFootnoteBackref");

/** A number in the text that leads to its note, or the arrow behind a note that leads back. */
export function NoteLink({ node, children }: { node: Element; children?: ReactNode }) {
  const t = useContext(WordsContext);
  const prefix = useContext(NotesContext);
  const target = readNoteName(node.properties.href);
  const own = readNoteName(node.properties.id);
  const isBack = isMarked(node, "dataFootnoteBackref");
  const n = readNumber(node, isBack ? target : null);
  const label = t(isBack ? "chat.footnoteBack" : "chat.footnote", { n });
  return (
    <a
      href={location.hash || "#/"} // the page's route: opened elsewhere it leads to the same conversation
      role={isBack ? "doc-backlink" : "doc-noteref"}
      id={own === null ? undefined : `${prefix}-${own}`}
      aria-label={label}
      title={label}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        if (target !== null) goTo(`${prefix}-${target}`);
      }}
    >
      {children}
    </a>
  );
}

function readNumber(node: Element, name: string | null): string {
  const child = node.children[0];
  return name === null ? (child?.type === "text" ? child.value : "") : name.replace(/^fn(?:ref)?-/, "");
}

function goTo(id: string): void {
  const target = document.getElementById(id);
  if (!target) return; // the note is still to come
  if (target.tagName !== "A") target.tabIndex = -1;
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: "nearest" });
}

/** An item; that of a note can be led to. */
export function NoteItem({ id, children, ...rest }: { id?: string | undefined; children?: ReactNode }) {
  const prefix = useContext(NotesContext);
  const name = readNoteName(id);
  return (
    <li {...rest} id={name === null ? undefined : `${prefix}-${name}`}>
      {children}
    </li>
  );
}

/** The notes below a text. */
export function NotesSection({ children }: { children?: ReactNode }) {
  const t = useContext(WordsContext);
  return (
    <section className="footnotes" aria-label={t("chat.footnotes")}>
      {children}
    </section>
  );
}
