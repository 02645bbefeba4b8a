/** Lists of providers with their states, and hints of the server for those that are not ready. */
import { ChevronRight, RefreshCw } from "lucide-react";
import { useTranslation } from "react-i18next";

import { isUsable, leaveOutConnected, providerOf, STATE_TEXTS } from "@/shared/api/providers";
import type { LlmProvider, ProviderState, SttProvider } from "@/shared/api/types";
import { wordNote } from "@/shared/lib/notes";
import { nameProvider } from "@/shared/lib/provider-names";
import { useSettings } from "@/shared/services";
import { TechnicalDetails } from "@/shared/ui/notice";

type AnyProvider = LlmProvider | SttProvider;

interface ProviderQuery {
  data: { items: AnyProvider[] } | undefined;
  isError: boolean;
  isFetching: boolean;
  refetch: () => unknown;
}

interface ProviderSectionProps {
  title: string;
  query: ProviderQuery;
}

/** What works now, and what is chosen although it does not. */
export function WorkingProviders({ title, query }: ProviderSectionProps) {
  const { t } = useTranslation();
  const [{ showsMocks }] = useSettings();
  const isInUse = useIsInUse();
  if (query.data === undefined)
    return (
      <p role="status" className="text-sm text-muted">
        {t(query.isError ? "settings.listFailed" : "common.loading")}
      </p>
    );
  const shown = leaveOutConnected(query.data.items).filter(
    (item) =>
      isInUse(item) || isServersChoice(item) || (isUsable(item) && (showsMocks || item.type !== "mock")),
  );
  return shown.length > 0 && <ProviderList label={title} items={shown} />;
}

/** What does not work yet, folded: it concerns only whoever wants to set it up. */
export function MissingProviders({ title, query }: ProviderSectionProps) {
  const { t } = useTranslation();
  const missing = query.data?.items.filter((item) => !isUsable(item) && !isServersChoice(item)) ?? [];
  if (missing.length === 0) return null;
  return (
    <details className="group/missing">
      <summary className="button-quiet w-fit cursor-pointer list-none gap-2 text-sm [&::-webkit-details-marker]:hidden">
        <ChevronRight
          size={16}
          aria-hidden
          className="shrink-0 transition-transform group-open/missing:rotate-90"
        />
        {title}
      </summary>
      <div className="mt-2 space-y-2">
        <ProviderList label={title} items={missing} />
        <button type="button" className="button" disabled={query.isFetching} onClick={() => query.refetch()}>
          <RefreshCw size={14} aria-hidden className={query.isFetching ? "animate-spin" : ""} />
          {t("settings.check")}
        </button>
      </div>
    </details>
  );
}

function isServersChoice(item: AnyProvider): boolean {
  return item.default || ("chosen" in item && item.chosen);
}

/** Whether this browser uses a provider: the one that is chosen here, else the server's. */
function useIsInUse(): (item: AnyProvider) => boolean {
  const [{ sttProvider, chatModel }] = useSettings();
  return (item) => {
    const chosen = "capabilities" in item ? sttProvider : providerOf(chatModel);
    return chosen === "" ? item.default : chosen === item.name;
  };
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
  items: readonly AnyProvider[];
}

/** The default provider comes first, then those that are ready. */
export function ProviderList({ label, items }: ProviderListProps) {
  const rank = (item: AnyProvider) => Number(item.status !== "ready");
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

function Provider({ item }: { item: AnyProvider }) {
  const { t } = useTranslation();
  const isInUse = useIsInUse()(item);
  return (
    <li className="px-4 py-3 text-sm">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-medium">{nameProvider(t, item)}</span>
        <span className="inline-flex items-center gap-1.5 text-xs text-muted">
          <span aria-hidden className={`size-2 rounded-full ${STATE_COLOURS[item.status]}`} />
          {t(STATE_TEXTS[item.status])}
        </span>
        {"chosen" in item && item.chosen && !item.default && !isInUse && (
          <span className="rounded-full bg-warn/15 px-2 py-0.5 text-xs text-warn">
            {t("settings.chosen")}
          </span>
        )}
        {isInUse && (
          <span className="rounded-full bg-accent/15 px-2 py-0.5 text-xs text-accent">
            {t("settings.inUse")}
          </span>
        )}
      </div>
      {item.note && <p className="mt-1 break-words text-muted">{wordNote(t, item.note)}</p>}
      {(!item.note || !isUsable(item)) && <TechnicalDetails text={item.description} />}
      {"capabilities" in item && item.capabilities.network && (
        <p className="mt-1 text-xs text-warn">{t("settings.network")}</p>
      )}
    </li>
  );
}
