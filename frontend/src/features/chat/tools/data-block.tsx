/** What a tool was asked or gave, as text in a box that scrolls: never as markup, whatever it holds. */
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { readable } from "./json-text";

export function DataBlock({ label, value }: { label: string; value: unknown }) {
  const { t } = useTranslation();
  const { text, cut } = useMemo(() => readable(value), [value]);
  return (
    <div>
      <p aria-hidden className="text-xs text-muted">
        {label}
      </p>
      <pre
        role="group"
        aria-label={label}
        tabIndex={0}
        dir="ltr"
        className="mt-1 max-h-64 overflow-auto whitespace-pre-wrap break-words rounded-lg border border-line bg-page px-3 py-2 font-mono text-xs leading-5 text-ink"
      >
        {text}
      </pre>
      {cut > 0 && <p className="mt-1 text-xs text-warn">{t("tools.cut", { count: cut })}</p>}
    </div>
  );
}

/** Whether there is anything to show: many tools are asked with nothing. */
export function isNothing(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
