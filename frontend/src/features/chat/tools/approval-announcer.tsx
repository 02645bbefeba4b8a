/** Tells screen readers that a tool asks, once more when its time runs out, and what came of it. */
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Shown } from "../messages/shown-messages";
import { visible } from "./json-text";
import { LAST_S, secondsLeft } from "./time-left";
import { toolCalls } from "./tool-calls";

const ALT = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "Option" : "Alt";

export function ApprovalAnnouncer({ message }: { message: Shown | undefined }) {
  const { t } = useTranslation();
  const [said, setSaid] = useState("");
  const events = message?.tool_events;
  const isOver = message?.status !== "streaming";
  const calls = useMemo(() => toolCalls(events ?? [], isOver), [events, isOver]);
  const asking = calls.find(({ state }) => state === "asking");
  const before = useRef<string | null>(null);
  const id = asking?.id ?? null;
  const name = visible(asking?.name ?? "");
  const expiresAt = asking?.expiresAt ?? null;
  useEffect(() => {
    const decided = before.current !== id ? calls.find((call) => call.id === before.current) : undefined;
    before.current = id;
    if (id !== null) setSaid(t("tools.ask.announce", { name, key: ALT }));
    else if (decided) setSaid(`${visible(decided.name)}: ${t(`tools.state.${decided.state}`)}`);
  }, [id, name, calls, t]);
  useEffect(() => {
    const left = id === null ? null : secondsLeft(expiresAt, Date.now());
    if (left === null || left <= LAST_S) return;
    const soon = () => setSaid(t("tools.ask.announceLeft", { name, seconds: LAST_S }));
    const timer = setTimeout(soon, (left - LAST_S) * 1000);
    return () => clearTimeout(timer);
  }, [id, name, expiresAt, t]);
  return (
    <div role="alert" className="sr-only">
      {said}
    </div>
  );
}
