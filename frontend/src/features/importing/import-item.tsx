/** One import: how far it is, what came of it, and what was left out and why. */
import type { TFunction } from "i18next";
import { Trash2, X } from "lucide-react";
import { useTranslation } from "react-i18next";

import type { Import, ImportReport } from "@/shared/api/types";
import { formatShortDate } from "@/shared/lib/formats";
import { wordError } from "@/shared/lib/notes";
import { Notice } from "@/shared/ui/notice";

import { isUnderWay, percentOf, useRemoveImport } from "./imports";

const STATES = {
  waiting: "importing.waiting",
  working: "importing.working",
  done: "importing.done",
  failed: "importing.stateFailed",
  cancelled: "importing.cancelled",
  interrupted: "importing.interrupted",
} as const;

export function ImportItem({ item }: { item: Import }) {
  const { t, i18n } = useTranslation();
  const remove = useRemoveImport();
  const busy = isUnderWay(item);
  return (
    <li className="space-y-2 px-4 py-3 text-sm" aria-label={item.name}>
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <p className="truncate font-medium">{item.name}</p>
          <p role="status" className="text-muted">
            {t(STATES[item.state])} · {formatShortDate(item.created_at, i18n.language)}
          </p>
        </div>
        <button
          type="button"
          className="button-quiet min-h-11 min-w-11 shrink-0"
          disabled={remove.isPending}
          onClick={() => remove.mutate(item.id)}
        >
          {busy ? <X size={16} aria-hidden /> : <Trash2 size={16} aria-hidden />}
          <span className="sr-only sm:not-sr-only">{t(busy ? "importing.cancel" : "importing.forget")}</span>
        </button>
      </div>
      {busy && <Progress item={item} />}
      {item.error && (
        <div role={item.state === "failed" ? "alert" : undefined}>
          <Notice text={wordError(t, item.error)} detail={item.error.message} />
        </div>
      )}
      {item.report && <Report report={item.report} isWhole={item.state === "done"} />}
    </li>
  );
}

function Progress({ item }: { item: Import }) {
  const { t, i18n } = useTranslation();
  const percent = percentOf(item.done, item.total);
  const number = (value: number) => value.toLocaleString(i18n.language);
  return (
    <div>
      <div
        role="progressbar"
        aria-label={t("importing.progress", { name: item.name })}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(percent === null ? {} : { "aria-valuenow": percent })}
        className="h-2 overflow-hidden rounded-full border border-line bg-raised"
      >
        <div className="h-full bg-accent" style={{ width: `${percent ?? 0}%` }} />
      </div>
      <p className="mt-1 text-xs tabular-nums text-muted">
        {item.total === null
          ? t("importing.counting")
          : t("importing.progressOf", { done: number(item.done), total: number(item.total) })}
      </p>
    </div>
  );
}

function Report({ report, isWhole }: { report: ImportReport; isWhole: boolean }) {
  const { t } = useTranslation();
  const came = report.created + report.extended + report.unchanged + report.left_out;
  return (
    <div className="space-y-2">
      <ul className="text-muted">
        {came === 0 && isWhole && <li>{t("importing.nothing")}</li>}
        {report.created > 0 && (
          <li>
            {t("importing.created", { count: report.created })}
            {", "}
            {t("importing.messages", { count: report.messages })}
          </li>
        )}
        {report.files > 0 && <li>{t("importing.files", { count: report.files })}</li>}
        {report.extended > 0 && <li>{t("importing.extended", { count: report.extended })}</li>}
        {report.unchanged > 0 && <li>{t("importing.unchanged", { count: report.unchanged })}</li>}
        {report.left_out > 0 && <li>{t("importing.leftOut", { count: report.left_out })}</li>}
      </ul>
      {report.left.length > 0 && (
        <details>
          <summary className="w-fit cursor-pointer py-1 touch:py-3">{t("importing.whatIsMissing")}</summary>
          <ul className="mt-1 list-disc pl-5 text-muted">
            {report.left.map(({ reason, count }) => (
              <li key={reason}>{wordReason(t, reason, count)}</li>
            ))}
          </ul>
          {report.details.length > 0 && <Details report={report} />}
        </details>
      )}
    </div>
  );
}

/** The conversations that lack something, by their titles. */
function Details({ report }: { report: ImportReport }) {
  const { t } = useTranslation();
  return (
    <>
      <p className="mt-2">{t("importing.inConversations")}</p>
      <ul className="mt-1 max-h-60 list-disc overflow-y-auto pl-5 text-muted" tabIndex={0}>
        {report.details.map((each, place) => (
          <li key={place} className="break-words">
            <span className="text-ink">{each.title || t("importing.untitled")}</span>
            {": "}
            {each.left.map(({ reason, count }) => wordReason(t, reason, count)).join(", ")}
          </li>
        ))}
        {report.more_details > 0 && <li>{t("importing.more", { count: report.more_details })}</li>}
      </ul>
    </>
  );
}

type Reason = ImportReport["left"][number]["reason"];

function wordReason(t: TFunction, reason: Reason, count: number): string {
  return t(`importReasons.${reason}`, { count });
}
