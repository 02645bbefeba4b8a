/** The words for how a provider or an assistant stands. */
import type { ProviderState } from "@/shared/api/types";

export const STATES = {
  ready: "settings.stateReady",
  loading: "settings.stateLoading",
  not_installed: "settings.stateNotInstalled",
  not_configured: "settings.stateNotConfigured",
  no_model: "settings.stateNoModel",
  unauthorized: "settings.stateUnauthorized",
  unreachable: "settings.stateUnreachable",
} as const satisfies Record<ProviderState, string>;
