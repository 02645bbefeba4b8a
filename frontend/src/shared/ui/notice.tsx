/** A message about something that went wrong, and the server's hints with their code set apart. */
import { RefreshCw, TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";

interface NoticeProps {
  title?: string;
  text: string;
  onRetry?: (() => void) | null;
}

export function Notice({ title, text, onRetry }: NoticeProps) {
  const { t } = useTranslation();
  return (
    <div className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-lg border border-warn/50 bg-warn/10 px-3 py-2 text-sm">
      <TriangleAlert size={16} aria-hidden className="shrink-0 text-warn" />
      <p className="min-w-0 flex-1 basis-48 break-words">
        {title && <strong className="font-semibold">{title}.</strong>} {capitalize(text)}
      </p>
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          <RefreshCw size={16} aria-hidden />
          {t("common.retry")}
        </button>
      )}
    </div>
  );
}

/** Capitalize a message of the server, which begins in lower case. */
export function capitalize(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

/** Text between backticks, and names of settings. */
const CODE = /`([^`]+)`|((?:[A-Z]+_|__)[A-Z_]*[A-Z])/;

/** A hint of the server, with what the reader has to type shown as code. */
export function WithCode({ text }: { text: string }) {
  return text.split(CODE).map((part, place) =>
    place % 3 === 0 || part === undefined ? (
      part
    ) : (
      <code key={place} className="break-words rounded bg-raised px-1 py-0.5 text-xs text-ink">
        {part}
      </code>
    ),
  );
}
