/** A tool that waits for approval: what it does, its exact arguments, the time left, and two buttons. */
import { Check, ShieldQuestionMark, X } from "lucide-react";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiError } from "@/shared/api/client";
import { formatCountdown } from "@/shared/lib/formats";
import { wordError } from "@/shared/lib/notes";
import { useServices } from "@/shared/services";
import { TechnicalDetails } from "@/shared/ui/notice";

import type { ShownMessage } from "../stream/shown-messages";
import { DataBlock, isEmptyObject } from "./data-block";
import { ANNOUNCED_S, countSecondsUntil, useSecondsLeft } from "./time-left";
import { collectToolCalls, identifyTool, nameTool, sayTool, type ToolCall } from "./tool-calls";

type Decision = "open" | "sending" | "sent" | ApiError;

export function ApprovalCard({ messageId, call }: { messageId: string; call: ToolCall }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const [decision, setDecision] = useState<Decision>("open");
  const isBusy = decision === "sending" || decision === "sent";
  const box = useFocusReturn();
  const decide = async (approved: boolean): Promise<void> => {
    if (isBusy) return;
    setDecision("sending");
    const path = `/api/messages/${messageId}/approvals/${encodeURIComponent(call.id)}`;
    try {
      await api.json(path, { method: "POST", body: { approved } });
      setDecision("sent"); // the events of the answer show what follows
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setDecision(error);
    }
  };
  return (
    <section
      ref={box}
      data-approval
      aria-label={t("tools.ask.region", { name: nameTool(t, call) })}
      className="space-y-3 rounded-xl border border-warn/60 bg-warn/10 p-3 text-sm sm:p-4"
    >
      <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <ShieldQuestionMark size={18} aria-hidden className="shrink-0 text-warn" />
        <h2 className="font-semibold">{t("tools.ask.title")}</h2>
        <TimeLeft expiresAt={call.expiresAt} />
      </div>
      <p className="font-semibold [overflow-wrap:anywhere]">{sayTool(t, call)}</p>
      {isEmptyObject(call.args) ? (
        <p className="text-xs text-muted">{t("tools.noArguments")}</p>
      ) : (
        <DataBlock label={t("tools.arguments")} value={call.args} />
      )}
      <TechnicalDetails text={identifyTool(call)} />
      <DecisionButtons isBusy={isBusy} onDecide={(isApproved) => void decide(isApproved)} />
      <DecisionError error={decision instanceof ApiError ? decision : null} />
    </section>
  );
}

interface DecisionButtonsProps {
  isBusy: boolean;
  onDecide: (isApproved: boolean) => void;
}

function DecisionButtons({ isBusy, onDecide }: DecisionButtonsProps) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-wrap items-center gap-2">
      <button type="button" className="button-brand" aria-disabled={isBusy} onClick={() => onDecide(true)}>
        <Check size={16} aria-hidden />
        {t("tools.ask.approve")}
      </button>
      <button type="button" className="button" aria-disabled={isBusy} onClick={() => onDecide(false)}>
        <X size={16} aria-hidden />
        {t("tools.ask.deny")}
      </button>
      <p role="status" className="text-xs text-muted">
        {isBusy ? t("tools.ask.sending") : ""}
      </p>
    </div>
  );
}

/** Move the focus to the composer when the card goes with the focused button inside. */
function useFocusReturn() {
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

function DecisionError({ error }: { error: ApiError | null }) {
  const { t } = useTranslation();
  if (error === null) return null;
  const known = { approval_over: t("tools.ask.over"), unreachable: t("tools.ask.unreachable") };
  return (
    <p role="alert" className="text-danger">
      {known[error.code as keyof typeof known] ?? t("tools.ask.failed", { reason: wordError(t, error) })}
    </p>
  );
}

function TimeLeft({ expiresAt }: { expiresAt: string | null }) {
  const { t } = useTranslation();
  const seconds = useSecondsLeft(expiresAt);
  if (seconds === null) return null;
  return (
    <p role="timer" className="ml-auto whitespace-nowrap text-xs tabular-nums text-muted">
      {t("tools.ask.left", { time: formatCountdown(seconds) })}
    </p>
  );
}

const ALT = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "Option" : "Alt";

/** Tells screen readers that a tool waits for approval, that time runs out, and what was decided. */
export function ApprovalAnnouncer({ message }: { message: ShownMessage | undefined }) {
  const { t } = useTranslation();
  const { announcements } = useServices();
  const [announcement, setAnnouncement] = useState("");
  const events = message?.tool_events;
  const isOver = message?.status !== "streaming";
  const calls = useMemo(() => collectToolCalls(events ?? [], isOver), [events, isOver]);
  const asking = calls.find(({ state }) => state === "asking");
  const previousId = useRef<string | null>(null);
  const id = asking?.id ?? null;
  const name = asking ? nameTool(t, asking) : "";
  const expiresAt = asking?.expiresAt ?? null;
  useEffect(() => {
    const decided =
      previousId.current !== id ? calls.find((call) => call.id === previousId.current) : undefined;
    previousId.current = id;
    if (id !== null) setAnnouncement(t("tools.ask.announce", { name, key: ALT }));
    else setAnnouncement("");
    if (decided) announcements.say(`${nameTool(t, decided)}: ${t(`tools.state.${decided.state}`)}`, "tool");
  }, [id, name, calls, t, announcements]);
  useEffect(() => {
    const left = id === null ? null : countSecondsUntil(expiresAt, Date.now());
    if (left === null || left <= ANNOUNCED_S) return;
    const announce = () => setAnnouncement(t("tools.ask.announceLeft", { name, seconds: ANNOUNCED_S }));
    const timer = setTimeout(announce, (left - ANNOUNCED_S) * 1000);
    return () => clearTimeout(timer);
  }, [id, name, expiresAt, t]);
  return (
    <div role="alert" className="sr-only">
      {announcement}
    </div>
  );
}
