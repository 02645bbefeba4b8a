/** Exports of conversations: what is asked of the server, and what the user is told meanwhile. */
import { useTranslation } from "react-i18next";

import { ApiError } from "../api/client";
import { download } from "../api/download";
import { useServices } from "../services";
import { wordError } from "./notes";

export const EXPORT_FORMATS = ["pdf", "html", "markdown", "json", "zip"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** One conversation, several, or all. */
export type Exported = { id: string } | { ids: readonly string[] } | "all";

/** The most ids that the server takes at a time. */
export const MOST_SELECTED = 200;

/** As long as the server may take for a PDF and those before it. */
const LONGEST_MS = 1_200_000;

export function makeExportPath(what: Exported, format: ExportFormat, language: string): string {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const timezone = timeZone === "Etc/Unknown" ? "UTC" : timeZone; // how a browser says that it does not know
  const query = new URLSearchParams({ format, timezone, language: language.startsWith("es") ? "es" : "en" });
  if (what === "all") return `/api/export?${query}`;
  if ("id" in what) return `/api/conversations/${what.id}/export?${query}`;
  query.set("ids", what.ids.join(","));
  return `/api/export?${query}`;
}

/** A function that fetches a file. While it is made, a notice says so, and cancels it. */
export function useExport(): (what: Exported, format: ExportFormat) => Promise<void> {
  const { t, i18n } = useTranslation();
  const { api, toasts } = useServices();
  return async (what, format) => {
    const leaving = new AbortController();
    const notice = toasts.show({
      text: t(format === "pdf" ? "exports.makingPdf" : "exports.making"),
      tone: "info",
      stayMs: LONGEST_MS,
      action: { label: t("common.cancel"), run: () => leaving.abort() },
    });
    try {
      const path = makeExportPath(what, format, i18n.language);
      await download(api, path, `conversations.${format}`, leaving.signal);
    } catch (error) {
      if (leaving.signal.aborted) return;
      const reason = error instanceof ApiError ? wordError(t, error) : t("exports.brokeOff");
      toasts.show({ text: t("exports.failed", { reason }), tone: "error" });
    } finally {
      toasts.dismiss(notice);
    }
  };
}
