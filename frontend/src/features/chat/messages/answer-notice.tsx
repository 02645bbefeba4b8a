/** Why an answer ended otherwise than by itself, and how to go on. */
import { RefreshCw, TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";

import type { Shown } from "./shown-messages";

interface Props {
  message: Shown;
  canRetry: boolean;
  onRetry: () => void;
  /** Looks again for an answer that was given up. */
  onResume: (() => void) | null;
}

export function AnswerNotice({ message, canRetry, onRetry, onResume }: Props) {
  const { t } = useTranslation();
  const { error, status, live } = message;
  if (live === "broken") return <Notice text={t("chat.problems.broken")} onRetry={onResume} />;
  if (error?.code === "stopped")
    return <p className="mt-2 text-sm text-muted">{t("chat.problems.stopped")}</p>;
  const retry = canRetry ? onRetry : null;
  if (error || status === "failed" || status === "interrupted") {
    return <Notice title={t("chat.problems.title")} text={error?.message ?? ""} onRetry={retry} />;
  }
  if (status !== "complete") return null;
  if (message.finish_reason === "length") return <Notice text={t("chat.problems.length")} />;
  return message.content === "" && !message.reasoning ? (
    <Notice text={t("chat.problems.empty")} onRetry={retry} />
  ) : null;
}

export function Notice({
  title,
  text,
  onRetry,
}: {
  title?: string;
  text: string;
  onRetry?: (() => void) | null;
}) {
  const { t } = useTranslation();
  return (
    <div className="mt-3 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-lg border border-warn/50 bg-warn/10 px-3 py-2 text-sm">
      <TriangleAlert size={16} aria-hidden className="shrink-0 text-warn" />
      <p className="min-w-0 flex-1 basis-48 break-words">
        {title && <strong className="font-semibold">{title}.</strong>} {sentence(text)}
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

/** The server's messages begin small, to be read after a name. */
export function sentence(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}
