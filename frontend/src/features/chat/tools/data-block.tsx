/** The arguments or the result of a tool, always as plain text, in a box that scrolls. */
import { useMemo } from "react";
import { useTranslation } from "react-i18next";

import { formatValue } from "./json-text";

export function DataBlock({ label, value }: { label: string; value: unknown }) {
  const { t } = useTranslation();
  const { text, omittedChars } = useMemo(() => formatValue(value), [value]);
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
      {omittedChars > 0 && (
        <p className="mt-1 text-xs text-warn">{t("tools.cut", { count: omittedChars })}</p>
      )}
    </div>
  );
}

/** Whether arguments are empty: many tools need none. */
export function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
