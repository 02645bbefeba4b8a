/** A list of providers from the server, with loading, failure and a way to look again. */
import { RefreshCw } from "lucide-react";
import { useTranslation } from "react-i18next";

import type { LlmProvider } from "@/shared/api/types";

import { ProviderList } from "./provider-list";

interface Query {
  data: { items: LlmProvider[] } | undefined;
  isError: boolean;
  isFetching: boolean;
  refetch: () => unknown;
}

export function ProviderSection({ title, query }: { title: string; query: Query }) {
  const { t } = useTranslation();
  return (
    <div className="space-y-2">
      <div className="flex items-center justify-between gap-4">
        <h3 className="text-sm font-semibold">{title}</h3>
        <button
          type="button"
          className="button-quiet shrink-0 whitespace-nowrap text-xs"
          title={t("settings.check")}
          disabled={query.isFetching}
          onClick={() => query.refetch()}
        >
          <RefreshCw size={14} aria-hidden className={query.isFetching ? "animate-spin" : ""} />
          <span className="sr-only sm:not-sr-only">{t("settings.check")}</span>
        </button>
      </div>
      {query.data ? (
        <ProviderList label={title} items={query.data.items} />
      ) : (
        <p role="status" className="text-sm text-muted">
          {t(query.isError ? "settings.listFailed" : "common.loading")}
        </p>
      )}
    </div>
  );
}
