/** A formula: as it was written until the typesetter is there, then as MathML; wrong LaTeX stays as it is. */
import {
  createElement,
  memo,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useSyncExternalStore,
} from "react";

import { WordsContext } from "../markdown/words-context";
import type { MathElement, typeset as Typeset } from "./typeset";

interface Props {
  tex: string;
  isDisplay: boolean;
  /** More of it may come: it is not typeset yet. */
  isOpen: boolean;
}

export const Formula = memo(function Formula({ tex, isDisplay, isOpen }: Props) {
  const typeset = useTypesetter(!isOpen);
  const tree = useMemo(
    () => (isOpen || typeset === null ? undefined : typeset(tex, isDisplay)),
    [typeset, tex, isDisplay, isOpen],
  );
  if (tree === null) return <WrongFormula tex={tex} isDisplay={isDisplay} />;
  if (!isDisplay) return tree ? show(tree) : <code dir="ltr">{tex}</code>;
  // Focusable, so that it can be scrolled by keyboard.
  if (tree)
    return (
      <span className="formula" tabIndex={0} role="group" dir="ltr">
        {show(tree)}
      </span>
    );
  return (
    <code className="formula whitespace-pre-wrap" dir="ltr">
      {tex}
    </code>
  );
});

function WrongFormula({ tex, isDisplay }: { tex: string; isDisplay: boolean }) {
  const t = useContext(WordsContext);
  const mark = isDisplay ? "$$" : "$";
  return (
    <span className={isDisplay ? "formula formula-wrong" : "formula-wrong"} title={t("chat.wrongFormula")}>
      <code className="whitespace-pre-wrap" dir="ltr">
        {mark + (isDisplay ? tex.trim() : tex) + mark}
      </code>
      <span className="sr-only"> ({t("chat.wrongFormula")})</span>
    </span>
  );
}

function show(node: MathElement | string, key?: number): ReactNode {
  if (typeof node === "string") return node;
  const { class: className, ...attributes } = node.attributes;
  const style = hasStyles() ? { style: node.style } : {};
  const props = { ...attributes, ...style, ...(className ? { className } : {}), key };
  return createElement(node.tag, props, ...node.children.map((child, index) => show(child, index)));
}

/** Whether elements of MathML have styles: browsers that do not know it give elements that have none. */
const hasStyles = (): boolean =>
  "style" in document.createElementNS("http://www.w3.org/1998/Math/MathML", "math");

// -- the typesetter, which is loaded with the first formula of the page

let typesetter: typeof Typeset | null = null;
let loading: Promise<void> | null = null;
const listeners = new Set<() => void>();

async function loadTypesetter(): Promise<void> {
  try {
    typesetter = (await import("./typeset")).typeset;
    listeners.forEach((listener) => listener());
  } catch {
    loading = null; // The next formula tries again; until then all can be read as they were written.
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function useTypesetter(isWanted: boolean): typeof Typeset | null {
  const known = useSyncExternalStore(
    subscribe,
    () => typesetter,
    () => typesetter,
  );
  useEffect(() => {
    if (isWanted && typesetter === null) loading ??= loadTypesetter();
  }, [isWanted]);
  return known;
}
