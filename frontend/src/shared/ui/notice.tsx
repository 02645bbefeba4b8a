/** A message about something that went wrong, and the server's own words for whoever runs it. */
import { RefreshCw, TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";

interface NoticeProps {
  title?: string;
  text: string;
  /** The server's own words. */
  detail?: string | undefined;
  onRetry?: (() => void) | null;
}

export function Notice({ title, text, detail = "", onRetry }: NoticeProps) {
  const { t } = useTranslation();
  return (
    <div className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-lg border border-warn/50 bg-warn/10 px-3 py-2 text-sm">
      <TriangleAlert size={16} aria-hidden className="shrink-0 text-warn" />
      <div className="min-w-0 flex-1 basis-48 break-words">
        <p>
          {title && <strong className="font-semibold">{title}.</strong>} {text}
        </p>
        <TechnicalDetails text={detail} />
      </div>
      {onRetry && (
        <button type="button" className="button" onClick={onRetry}>
          <RefreshCw size={16} aria-hidden />
          {t("common.retry")}
        </button>
      )}
    </div>
  );
}

/** What names settings and commands, folded: mostly the server's own words, in English. */
export function TechnicalDetails({ text, lang = "en" }: { text: string; lang?: string }) {
  const { t } = useTranslation();
  if (text === "") return null;
  return (
    <details className="mt-1 text-xs text-muted">
      <summary className="w-fit cursor-pointer py-1 touch:py-3.5">{t("noteParts.details")}</summary>
      <p lang={lang} className="mt-1 break-words">
        <WithCode text={text} />
      </p>
    </details>
  );
}

/** Text between backticks, and names of settings. */
const CODE = /`([^`]+)`|((?:[A-Z]+_|__)[A-Z_]*[A-Z])/;

/** A hint of the server, with what the reader has to type shown as code. */
export function WithCode({ text }: { text: string }) {
  return text.split(CODE).map((part, place) =>
    place % 3 === 0 || part === undefined ? (
      part
    ) : (
      <code key={place} className="[overflow-wrap:anywhere] rounded bg-raised px-1 py-0.5 text-xs text-ink">
        {part}
      </code>
    ),
  );
}
