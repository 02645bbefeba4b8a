/** One stored dictation: its text with times, downloads, and a button that deletes it. */
import { Download, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { ApiError } from "@/shared/api/client";
import { download } from "@/shared/api/download";
import { keys } from "@/shared/api/queries";
import type { StoredDictationDetail } from "@/shared/api/types";
import { formatTimecode } from "@/shared/lib/formats";
import { wordError } from "@/shared/lib/notes";
import { useServices } from "@/shared/services";
import { CopyButton } from "@/shared/ui/copy-button";
import { Notice } from "@/shared/ui/notice";

import { useStoredDictation } from "./queries";

const FORMATS = ["txt", "srt", "vtt"] as const;

export function DictationDetail({ id }: { id: string }) {
  const { t } = useTranslation();
  const { data, error, refetch } = useStoredDictation(id);
  if (error instanceof ApiError && error.status === 404)
    return <p className="text-muted">{t("history.dictations.none")}</p>;
  if (error && !data) return <Notice text={t("history.dictations.failed")} onRetry={() => void refetch()} />;
  if (!data)
    return (
      <p role="status" className="text-sm text-muted">
        {t("common.loading")}
      </p>
    );
  return (
    <>
      <Actions dictation={data} />
      <ol className="mt-6 space-y-4">
        {data.items.map((final) => (
          <li key={final.n} className="grid gap-x-4 sm:grid-cols-[7rem_1fr]">
            <Times from={final.start_ms} to={final.end_ms} />
            <p className="break-words leading-7" lang={final.lang ?? undefined} dir="auto">
              {final.text}
            </p>
          </li>
        ))}
      </ol>
    </>
  );
}

function Times({ from, to }: { from: number | null; to: number | null }) {
  const { t } = useTranslation();
  if (from === null || to === null) return <span />;
  return (
    <span
      className="pt-1 text-xs tabular-nums text-muted"
      aria-label={t("history.dictations.time", { from: formatTimecode(from), to: formatTimecode(to) })}
    >
      {formatTimecode(from)} – {formatTimecode(to)}
    </span>
  );
}

function Actions({ dictation }: { dictation: StoredDictationDetail }) {
  const { t } = useTranslation();
  const [, go] = useLocation();
  const { api, queryClient, toasts } = useServices();
  const [isSure, setSure] = useState(false);
  const attempt = (act: () => Promise<void>) => () =>
    void act().catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      toasts.show({ text: wordError(t, error), tone: "error" });
    });
  const remove = attempt(async () => {
    await api.response(`/api/dictations/${dictation.id}`, { method: "DELETE" });
    go("/dictations");
    await queryClient.invalidateQueries({ queryKey: keys.dictations, exact: true });
  });
  return (
    <div className="flex flex-wrap items-center gap-2">
      <CopyButton text={dictation.text} label={t("chat.copyMessage")} showLabel />
      {FORMATS.map((format) => (
        <button
          key={format}
          type="button"
          className="button"
          onClick={attempt(() =>
            download(api, `/api/dictations/${dictation.id}?format=${format}`, `dictation.${format}`),
          )}
        >
          <Download size={16} aria-hidden />
          {t(`history.dictations.${format}`)}
        </button>
      ))}
      <button
        type="button"
        className={isSure ? "button ml-auto border-danger text-danger" : "button-quiet ml-auto"}
        onClick={isSure ? remove : () => setSure(true)}
        onBlur={() => setSure(false)}
      >
        <Trash2 size={16} aria-hidden />
        {t(isSure ? "history.dictations.deleteSure" : "history.dictations.delete")}
      </button>
    </div>
  );
}
