/** A table that scrolls by itself, with buttons that copy it. The table may still grow. */
import { type ReactNode, useContext, useRef } from "react";

import { WordedCopyButton } from "@/shared/ui/copy-button";

import { readCells, readMarkdownTable, toCsv, toTsv } from "./table-text";
import { WordsContext } from "./words-context";

const FORMATS: Record<string, (table: HTMLTableElement) => string> = {
  CSV: (table) => toCsv(readCells(table)),
  TSV: (table) => toTsv(readCells(table)),
  Markdown: readMarkdownTable,
};

export function TableBlock({ dir, children }: { dir?: string | undefined; children?: ReactNode }) {
  const t = useContext(WordsContext);
  const table = useRef<HTMLTableElement>(null);
  return (
    <figure className="table-block" aria-label={t("chat.table")}>
      <figcaption>
        <span className="block-title">{t("chat.table")}</span>
        {Object.entries(FORMATS).map(([format, write]) => (
          <WordedCopyButton
            key={format}
            text={() => (table.current ? write(table.current) : "")}
            label={t("chat.copyTable", { format })}
            shown={format}
            t={t}
          />
        ))}
      </figcaption>
      {/* Focusable, so that it can be scrolled by keyboard. */}
      <div className="markdown-table" tabIndex={0} role="group" aria-label={t("chat.tableCells")}>
        <table ref={table} dir={dir}>
          {children}
        </table>
      </div>
    </figure>
  );
}
