/** Lists of providers with their states, and hints of the server for those that are not ready. */
import { RefreshCw } from "lucide-react";
import { useTranslation } from "react-i18next";

import { STATE_TEXTS } from "@/shared/api/providers";
import type { LlmProvider, ProviderState, SttProvider } from "@/shared/api/types";
import { WithCode } from "@/shared/ui/notice";

interface ProviderQuery {
  data: { items: (LlmProvider | SttProvider)[] } | undefined;
  isError: boolean;
  isFetching: boolean;
  refetch: () => unknown;
}

export function ProviderSection({ title, query }: { title: string; query: ProviderQuery }) {
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

const STATE_COLOURS: Record<ProviderState, string> = {
  ready: "bg-good",
  loading: "bg-warn animate-pulse",
  not_installed: "bg-muted",
  not_configured: "bg-muted",
  no_model: "bg-warn",
  unauthorized: "bg-danger",
  unreachable: "bg-muted",
};

interface ProviderListProps {
  label: string;
  items: readonly (LlmProvider | SttProvider)[];
}

/** The default provider comes first, then those that are ready. */
export function ProviderList({ label, items }: ProviderListProps) {
  const rank = (item: LlmProvider | SttProvider) => Number(item.status !== "ready");
  const sorted = [...items].sort(
    (one, other) => Number(other.default) - Number(one.default) || rank(one) - rank(other),
  );
  return (
    <ul aria-label={label} className="divide-y divide-line rounded-xl border border-line">
      {sorted.map((item) => (
        <Provider key={item.name} item={item} />
      ))}
    </ul>
  );
}

function Provider({ item }: { item: LlmProvider | SttProvider }) {
  const { t } = useTranslation();
  return (
    <li className="px-4 py-3 text-sm">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-medium">{item.name}</span>
        <span className="inline-flex items-center gap-1.5 text-xs text-muted">
          <span aria-hidden className={`size-2 rounded-full ${STATE_COLOURS[item.status]}`} />
          {t(STATE_TEXTS[item.status])}
        </span>
        {"chosen" in item && item.chosen && !item.default && (
          <span className="rounded-full bg-warn/15 px-2 py-0.5 text-xs text-warn">
            {t("settings.chosen")}
          </span>
        )}
        {item.default && (
          <span className="rounded-full bg-accent/15 px-2 py-0.5 text-xs text-accent">
            {t("settings.inUse")}
          </span>
        )}
      </div>
      <p lang="en" className="mt-1 break-words text-muted">
        <WithCode text={item.description} />
      </p>
      {"capabilities" in item && item.capabilities.network && (
        <p className="mt-1 text-xs text-warn">{t("settings.network")}</p>
      )}
    </li>
  );
}
