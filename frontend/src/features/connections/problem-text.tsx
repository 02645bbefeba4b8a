/** What keeps an address from answering, and how to go on, in the words of a person. */
import { TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";

import type { ApiError } from "@/shared/api/client";
import type { ConnectionTrial } from "@/shared/api/types";
import { TechnicalDetails } from "@/shared/ui/notice";

import type { Preset } from "./presets";

/** Refusals that the page words itself, by the server's code. */
const REFUSALS = {
  base_url_not_allowed: "connect.refused.base_url_not_allowed",
  bad_request: "connect.refused.bad_request",
  missing_config: "connect.refused.missing_config",
  forbidden: "connect.refused.forbidden",
  not_found: "connect.refused.not_found",
  server_full: "connect.refused.server_full",
  storage_unavailable: "connect.refused.storage_unavailable",
  unreachable: "connect.refused.unreachable",
} as const;

const isKnown = (code: string): code is keyof typeof REFUSALS => Object.hasOwn(REFUSALS, code);

interface Props {
  problem: ConnectionTrial["problem"];
  error: ApiError | null;
  preset: Preset;
  baseUrl: string;
}

export function ProblemText({ problem, error, preset, baseUrl }: Props) {
  const { t, i18n } = useTranslation();
  if (error === null && problem === null) return null;
  const code = error?.code ?? "";
  const text = error
    ? t(isKnown(code) ? REFUSALS[code] : "connect.refused.other")
    : t(`connect.problems.${problem ?? "unreachable"}`);
  const start = preset.place === "here" && (problem === "refused" || problem === "unknown_host");
  const origin = code === "base_url_not_allowed" ? readOrigin(baseUrl) : null;
  return (
    <div
      role="alert"
      ref={scrollIntoSight}
      className="flex gap-2 rounded-xl border border-danger/50 bg-danger/10 px-3 py-2 text-sm"
    >
      <TriangleAlert size={16} aria-hidden className="mt-0.5 shrink-0 text-danger" />
      <div className="min-w-0 space-y-1 break-words">
        <p>
          {text} {start && t("connect.startIt", { name: preset.title })}
        </p>
        {origin !== null && (
          <TechnicalDetails
            lang={i18n.language}
            text={`${t("connect.allowIt")} \`PROMPTER_LLM__ALLOWED_BASE_URLS=${origin}\``}
          />
        )}
      </div>
    </div>
  );
}

/** On a phone the form is longer than the screen. */
function scrollIntoSight(element: HTMLElement | null): void {
  element?.scrollIntoView?.({ block: "nearest" });
}

/** The origin of an address that an operator can allow; null for one that nobody can. */
function readOrigin(baseUrl: string): string | null {
  try {
    const { protocol, origin } = new URL(baseUrl);
    return protocol === "http:" ? origin : null;
  } catch {
    return null; // half an address
  }
}
