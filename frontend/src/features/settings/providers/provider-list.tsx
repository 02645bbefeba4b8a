/** Providers with their states, and for each that is not ready what to do about it, in the server's words. */
import { useTranslation } from "react-i18next";

import type { LlmProvider, ProviderState, SttProvider } from "@/shared/api/types";
import { WithCode } from "@/shared/ui/with-code";

const STATES = {
  ready: ["settings.stateReady", "bg-good"],
  loading: ["settings.stateLoading", "bg-warn animate-pulse"],
  not_installed: ["settings.stateNotInstalled", "bg-muted"],
  not_configured: ["settings.stateNotConfigured", "bg-muted"],
  no_model: ["settings.stateNoModel", "bg-warn"],
  unauthorized: ["settings.stateUnauthorized", "bg-danger"],
  unreachable: ["settings.stateUnreachable", "bg-muted"],
} as const satisfies Record<ProviderState, readonly [string, string]>;

export function ProviderList({
  label,
  items,
}: {
  label: string;
  items: readonly (LlmProvider | SttProvider)[];
}) {
  const ready = (item: LlmProvider) => Number(item.status !== "ready");
  const sorted = [...items].sort(
    (one, other) => Number(other.default) - Number(one.default) || ready(one) - ready(other),
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
  const [text, colour] = STATES[item.status];
  return (
    <li className="px-4 py-3 text-sm">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-medium">{item.name}</span>
        <span className="inline-flex items-center gap-1.5 text-xs text-muted">
          <span aria-hidden className={`size-2 rounded-full ${colour}`} />
          {t(text)}
        </span>
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
