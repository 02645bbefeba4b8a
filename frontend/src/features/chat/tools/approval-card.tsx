/** A tool asks before it acts: which one, with what exactly, and for how long; its user says yes or no. */
import { Check, ShieldQuestionMark, X } from "lucide-react";
import { useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { api } from "@/shared/api/client";
import { ApiError } from "@/shared/api/errors";

import { DataBlock, isNothing } from "./data-block";
import { visible } from "./json-text";
import { clockOf } from "./time-left";
import type { ToolCall } from "./tool-calls";
import { useSecondsLeft } from "./use-seconds-left";
import { does } from "./words";

type Saying = "idle" | "sending" | "said" | ApiError;

export function ApprovalCard({ messageId, call }: { messageId: string; call: ToolCall }) {
  const { t } = useTranslation();
  const [saying, setSaying] = useState<Saying>("idle");
  const name = visible(call.name);
  const isBusy = saying === "sending" || saying === "said";
  const box = useFocusHandedOn();
  const decide = async (approved: boolean): Promise<void> => {
    if (isBusy) return;
    setSaying("sending");
    const path = `/api/messages/${messageId}/approvals/${encodeURIComponent(call.id)}`;
    try {
      await api.json(path, { method: "POST", body: { approved } });
      setSaying("said"); // the answer's own events tell the rest
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setSaying(error);
    }
  };
  return (
    <section
      ref={box}
      data-approval
      aria-label={t("tools.ask.region", { name })}
      className="space-y-3 rounded-xl border border-warn/60 bg-warn/10 p-3 text-sm sm:p-4"
    >
      <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <ShieldQuestionMark size={18} aria-hidden className="shrink-0 text-warn" />
        <h3 className="font-semibold">{t("tools.ask.title")}</h3>
        <TimeLeft expiresAt={call.expiresAt} />
      </div>
      <p>
        {t(does(call))}: <code className="font-semibold [overflow-wrap:anywhere]">{name}</code>
        {call.toolset && (
          <span className="text-muted"> {t("tools.from", { toolset: visible(call.toolset) })}</span>
        )}
      </p>
      {isNothing(call.args) ? (
        <p className="text-xs text-muted">{t("tools.noArguments")}</p>
      ) : (
        <DataBlock label={t("tools.arguments")} value={call.args} />
      )}
      <div className="flex flex-wrap items-center gap-2">
        <button
          type="button"
          className="button-brand"
          aria-disabled={isBusy}
          onClick={() => void decide(true)}
        >
          <Check size={16} aria-hidden />
          {t("tools.ask.approve")}
        </button>
        <button type="button" className="button" aria-disabled={isBusy} onClick={() => void decide(false)}>
          <X size={16} aria-hidden />
          {t("tools.ask.deny")}
        </button>
        <p role="status" className="text-xs text-muted">
          {isBusy ? t("tools.ask.sending") : ""}
        </p>
      </div>
      <Refused error={saying instanceof ApiError ? saying : null} />
    </section>
  );
}

/** Whoever decides by keyboard goes on writing: the buttons are gone then, and the focus would be nowhere. */
function useFocusHandedOn() {
  const box = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const card = box.current;
    return () => {
      if (card?.contains(document.activeElement))
        document.querySelector<HTMLElement>("[data-composer]")?.focus();
    };
  }, []);
  return box;
}

function Refused({ error }: { error: ApiError | null }) {
  const { t } = useTranslation();
  if (error === null) return null;
  const known = { approval_over: t("tools.ask.over"), unreachable: t("tools.ask.unreachable") };
  return (
    <p role="alert" className="text-danger">
      {known[error.code as keyof typeof known] ?? t("tools.ask.failed", { reason: error.message })}
    </p>
  );
}

function TimeLeft({ expiresAt }: { expiresAt: string | null }) {
  const { t } = useTranslation();
  const seconds = useSecondsLeft(expiresAt);
  if (seconds === null) return null;
  return (
    <p role="timer" className="ml-auto whitespace-nowrap text-xs tabular-nums text-muted">
      {t("tools.ask.left", { time: clockOf(seconds) })}
    </p>
  );
}
