/** How long the last final took, and in a tooltip its parts. */

import { Timer } from "lucide-react";
import { useId } from "react";
import { useTranslation } from "react-i18next";

import type { Latency } from "../client/messages";

export function LatencyReceipt({ latency }: { latency: Latency }) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const formatSeconds = (ms: number): string =>
    new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 2, minimumFractionDigits: 2 }).format(
      ms / 1000,
    );
  const total = t("dictation.seconds", { seconds: formatSeconds(latency.totalMs) });
  const rows = [
    [t("dictation.receipt.endpoint"), latency.endpointMs],
    [t("dictation.receipt.queue"), latency.queueMs],
    [t("dictation.receipt.decode"), latency.decodeMs],
  ] as const;
  return (
    <span className="group inline-flex shrink-0 whitespace-nowrap">
      <button
        type="button"
        className="inline-flex items-center gap-1 rounded-md px-1 hover:text-ink touch:min-h-target"
        aria-label={t("dictation.receipt.title", { total })}
        aria-describedby={id}
        data-testid="receipt"
        data-total-ms={latency.totalMs}
      >
        <Timer size={13} aria-hidden />
        {total}
      </button>
      <span
        id={id}
        role="tooltip"
        className="invisible absolute bottom-full right-2 z-20 w-72 max-w-full sm:right-16 rounded-xl border border-line bg-surface p-3
          text-left shadow-xl group-focus-within:visible group-hover:visible"
      >
        <span className="mb-1 block whitespace-normal font-medium text-ink">
          {t("dictation.receipt.title", { total })}
        </span>
        {rows.map(([name, ms]) => (
          <span key={name} className="flex justify-between gap-4">
            <span>{name}</span>
            <span className="tabular-nums">{t("dictation.seconds", { seconds: formatSeconds(ms) })}</span>
          </span>
        ))}
        <span className="mt-1 block whitespace-normal break-words">{latency.model}</span>
      </span>
    </span>
  );
}
