/** The seconds that a question still waits, counted down while it is shown. */
import { useEffect, useState } from "react";

import { secondsLeft } from "./time-left";

const TICK_MS = 1000;

/** By this machine's clock; the server's own decides what is in time. */
export function useSecondsLeft(expiresAt: string | null): number | null {
  const [nowMs, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (expiresAt === null) return;
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [expiresAt]);
  return secondsLeft(expiresAt, nowMs);
}
