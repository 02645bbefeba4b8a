/** A block of code with its language, its colours, and a button that copies it. */
import { memo, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { CopyButton } from "../parts/copy-button";
import type { Coloured } from "./highlight";
import { useHighlight } from "./use-highlight";

export const CodeBlock = memo(function CodeBlock({ code, language }: { code: string; language: string }) {
  const { t } = useTranslation();
  const colours = useHighlight(code, language);
  return (
    <figure className="code-block" aria-label={t("chat.code", { language: language || t("chat.plainText") })}>
      <figcaption>
        <span>{language || t("chat.plainText")}</span>
        <CopyButton text={code} label={t("chat.copyCode")} />
      </figcaption>
      {/* Reachable by Tab, for who scrolls by keyboard. */}
      <pre tabIndex={0} dir="ltr">
        <code>
          {colours ? coloured(colours.tree.children) : null}
          {colours ? code.slice(colours.code.length) : code}
        </code>
      </pre>
    </figure>
  );
});

function coloured(nodes: Coloured["children"] | ElementChildren): ReactNode[] {
  return nodes.map((node, index) => {
    if (node.type === "text") return node.value;
    if (node.type !== "element") return null;
    const names = node.properties.className;
    return (
      <span key={index} className={Array.isArray(names) ? names.join(" ") : undefined}>
        {coloured(node.children)}
      </span>
    );
  });
}

type ElementChildren = Extract<Coloured["children"][number], { type: "element" }>["children"];
