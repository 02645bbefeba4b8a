/** One tool call, folded into a line: what the tool does, its state and duration. */
import {
  Ban,
  Check,
  ChevronRight,
  CircleHelp,
  CircleStop,
  LoaderCircle,
  type LucideIcon,
  TimerOff,
  TriangleAlert,
} from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { chooseLocale } from "@/shared/lib/formats";
import { TechnicalDetails } from "@/shared/ui/notice";

import { DataBlock, isEmptyObject } from "./data-block";
import { type CallState, describeError, identifyTool, sayTool, type ToolCall } from "./tool-calls";

const LOOKS: Record<CallState, readonly [LucideIcon, string]> = {
  running: [LoaderCircle, "animate-spin text-accent"],
  asking: [CircleHelp, "text-warn"],
  done: [Check, "text-good"],
  failed: [TriangleAlert, "text-warn"],
  denied: [Ban, "text-danger"],
  expired: [TimerOff, "text-warn"],
  stopped: [CircleStop, "text-muted"],
};

/** The other states measure how long the user took to decide. */
const TIMED_STATES: ReadonlySet<CallState> = new Set(["done", "failed"]);

export function ToolCallItem({ call }: { call: ToolCall }) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const [Icon, colour] = LOOKS[call.state];
  const errorText = call.state === "failed" ? describeError(call.error?.code ?? "") : null;
  return (
    <details
      data-testid="tool-call"
      data-state={call.state}
      className="group/call rounded-lg border border-line bg-surface text-sm"
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary className="flex min-h-target cursor-pointer list-none flex-wrap items-center gap-x-2 gap-y-0.5 rounded-lg px-3 py-1.5 hover:bg-raised [&::-webkit-details-marker]:hidden">
        <Icon size={16} aria-hidden className={`shrink-0 ${colour}`} />
        <span className="min-w-0 [overflow-wrap:anywhere]">{sayTool(t, call)}</span>
        <span className="ml-auto flex items-center gap-2 text-xs text-muted">
          <span>
            {t(`tools.state.${call.state}`)}
            {errorText && `: ${t(errorText)}`}
          </span>
          <Duration ms={TIMED_STATES.has(call.state) ? call.ms : null} />
          <ChevronRight
            size={14}
            aria-hidden
            className="shrink-0 transition-transform group-open/call:rotate-90"
          />
        </span>
      </summary>
      {isOpen && <Details call={call} />}
    </details>
  );
}

function Details({ call }: { call: ToolCall }) {
  const { t } = useTranslation();
  return (
    <div className="space-y-3 border-t border-line px-3 py-3">
      {isEmptyObject(call.args) ? (
        <p className="text-xs text-muted">{t("tools.noArguments")}</p>
      ) : (
        <DataBlock label={t("tools.arguments")} value={call.args} />
      )}
      {call.result === "" && <p className="text-xs text-muted">{t("tools.noResult")}</p>}
      {call.result && <DataBlock label={t("tools.result")} value={call.result} />}
      {call.isTruncated && <p className="text-xs text-warn">{t("tools.truncated")}</p>}
      {call.error && <DataBlock label={t("tools.error")} value={call.error.message} />}
      <TechnicalDetails text={identifyTool(call)} />
    </div>
  );
}

function Duration({ ms }: { ms: number | null }) {
  const { t, i18n } = useTranslation();
  if (ms === null) return null;
  const seconds = (ms / 1000).toLocaleString(chooseLocale(i18n.language), { maximumFractionDigits: 1 });
  return (
    <span className="whitespace-nowrap tabular-nums">
      {ms < 1000 ? t("tools.ms", { ms }) : t("tools.seconds", { seconds })}
    </span>
  );
}
