/** How long a tool still waits for approval, in seconds. */
import { useEffect, useState } from "react";

/** The page announces once that this much time is left. */
export const ANNOUNCED_S = 30;

/** Whole seconds until then, at least 0; null where the time cannot be parsed. */
export function countSecondsUntil(expiresAt: string | null, nowMs: number): number | null {
  const end = Date.parse(expiresAt ?? "");
  return Number.isNaN(end) ? null : Math.max(0, Math.ceil((end - nowMs) / 1000));
}

const TICK_MS = 1000;

/** Counted by the clock of this machine; the server's clock decides what is in time. */
export function useSecondsLeft(expiresAt: string | null): number | null {
  const [nowMs, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (expiresAt === null) return;
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [expiresAt]);
  return countSecondsUntil(expiresAt, nowMs);
}
