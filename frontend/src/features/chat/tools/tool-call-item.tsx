/** One call of a tool, folded into a line: what it does, its name, how it stands, how long it took. */
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

import { localeOf } from "@/shared/lib/dates";

import { sentence } from "../messages/answer-notice";
import { DataBlock, isNothing } from "./data-block";
import { visible } from "./json-text";
import type { CallState, ToolCall } from "./tool-calls";
import { does, reason } from "./words";

const LOOKS: Record<CallState, readonly [LucideIcon, string]> = {
  running: [LoaderCircle, "animate-spin text-accent"],
  asking: [CircleHelp, "text-warn"],
  done: [Check, "text-good"],
  failed: [TriangleAlert, "text-warn"],
  denied: [Ban, "text-danger"],
  expired: [TimerOff, "text-warn"],
  stopped: [CircleStop, "text-muted"],
};

/** Of the others it would be how long their user thought about it. */
const RUN: ReadonlySet<CallState> = new Set(["done", "failed"]);

export function ToolCallItem({ call }: { call: ToolCall }) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const [Icon, colour] = LOOKS[call.state];
  const why = call.state === "failed" ? reason(call.error?.code ?? "") : null;
  return (
    <details
      data-testid="tool-call"
      data-state={call.state}
      className="group/call rounded-lg border border-line bg-surface text-sm"
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary className="flex min-h-9 cursor-pointer list-none flex-wrap items-center gap-x-2 gap-y-0.5 rounded-lg px-3 py-1.5 hover:bg-raised [&::-webkit-details-marker]:hidden">
        <Icon size={16} aria-hidden className={`shrink-0 ${colour}`} />
        <span>{t(does(call))}</span>
        <code className="min-w-0 text-xs [overflow-wrap:anywhere] text-muted">{visible(call.name)}</code>
        <span className="ml-auto flex items-center gap-2 text-xs text-muted">
          <span>
            {t(`tools.state.${call.state}`)}
            {why && `: ${t(why)}`}
          </span>
          <Took ms={RUN.has(call.state) ? call.ms : null} />
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
      {call.toolset && (
        <p className="text-xs text-muted">{t("tools.from", { toolset: visible(call.toolset) })}</p>
      )}
      {isNothing(call.args) ? (
        <p className="text-xs text-muted">{t("tools.noArguments")}</p>
      ) : (
        <DataBlock label={t("tools.arguments")} value={call.args} />
      )}
      {call.result === "" && <p className="text-xs text-muted">{t("tools.noResult")}</p>}
      {call.result && <DataBlock label={t("tools.result")} value={call.result} />}
      {call.isTruncated && <p className="text-xs text-warn">{t("tools.truncated")}</p>}
      {call.error && <DataBlock label={t("tools.error")} value={sentence(call.error.message)} />}
    </div>
  );
}

function Took({ ms }: { ms: number | null }) {
  const { t, i18n } = useTranslation();
  if (ms === null) return null;
  const seconds = (ms / 1000).toLocaleString(localeOf(i18n.language), { maximumFractionDigits: 1 });
  return (
    <span className="whitespace-nowrap tabular-nums">
      {ms < 1000 ? t("tools.ms", { ms }) : t("tools.seconds", { seconds })}
    </span>
  );
}
