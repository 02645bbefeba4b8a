/** A block of code with its language, its colours, and a button that copies it. The code may still grow. */
import { memo, type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { CopyButton } from "@/shared/ui/copy-button";

import type { ColouredTree } from "./highlight";

export const CodeBlock = memo(function CodeBlock({ code, language }: { code: string; language: string }) {
  const { t } = useTranslation();
  const colours = useHighlight(code, language);
  return (
    <figure className="code-block" aria-label={t("chat.code", { language: language || t("chat.plainText") })}>
      <figcaption>
        <span>{language || t("chat.plainText")}</span>
        <CopyButton text={code} label={t("chat.copyCode")} />
      </figcaption>
      {/* Focusable, so that it can be scrolled by keyboard. */}
      <pre tabIndex={0} dir="ltr">
        <code>
          {colours ? renderColoured(colours.tree.children) : null}
          {colours ? code.slice(colours.code.length) : code}
        </code>
      </pre>
    </figure>
  );
});

function renderColoured(nodes: ColouredTree["children"] | ElementChildren): ReactNode[] {
  return nodes.map((node, index) => {
    if (node.type === "text") return node.value;
    if (node.type !== "element") return null;
    const names = node.properties.className;
    return (
      <span key={index} className={Array.isArray(names) ? names.join(" ") : undefined}>
        {renderColoured(node.children)}
      </span>
    );
  });
}

type ElementChildren = Extract<ColouredTree["children"][number], { type: "element" }>["children"];

const MIN_PAUSE_MS = 100;
/** Colouring takes at most a fifth of the time. */
const PAUSE_FACTOR = 5;
const MAX_COLOURED_CHARS = 60_000;

/** `code` is the part that is coloured; what has come since is plain. */
interface Colours {
  code: string;
  tree: ColouredTree;
}

/** The highlighter is loaded with the first block, and runs less often the longer it takes. */
function useHighlight(code: string, language: string): Colours | null {
  const [colours, setColours] = useState<Colours | null>(null);
  const latest = useRef({ code, language });
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const pauseMs = useRef(MIN_PAUSE_MS);
  useEffect(() => {
    latest.current = { code, language };
    if (!language || code.length > MAX_COLOURED_CHARS || timer.current !== null) return;
    const colourLatest = async (): Promise<void> => {
      timer.current = null;
      const wanted = latest.current;
      const found = await colour(wanted.code, wanted.language);
      if (!found) return;
      pauseMs.current = Math.max(MIN_PAUSE_MS, found.tookMs * PAUSE_FACTOR);
      setColours({ code: wanted.code, tree: found.tree });
    };
    timer.current = setTimeout(() => void colourLatest(), pauseMs.current);
  }, [code, language]);
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );
  return colours && code.startsWith(colours.code) ? colours : null;
}

async function colour(
  code: string,
  language: string,
): Promise<{ tree: ColouredTree; tookMs: number } | null> {
  try {
    const { highlight } = await import("./highlight");
    return await highlight(code, language);
  } catch {
    return null; // The highlighter cannot be loaded now: code is readable without colours.
  }
}
