/** Keeps a line of text steady: what is shown can be read, and what is over at once leaves no trace. */
import { useEffect, useRef, useState } from "react";

/** How long a text that waits for the server stands at least. */
export const LEAST_SHOWN_MS = 700;
/** How long calm must last before it is shown: what comes next is often there by then. */
export const CALM_MS = 400;

/**
 * `plain`: shown at once, and gives way at once. `held`: shown at once, and stands long enough to be read.
 * `turn`: a turn of the speaker. `calm`: after a turn or a held text it is shown once it lasts.
 */
export type Pace = "plain" | "held" | "turn" | "calm";

/** The text to show now; `pace` is that of `text`. */
export function useSteadyText(text: string, pace: Pace): string {
  const [shown, setShown] = useState(text);
  const last = useRef({ pace, sinceMs: 0 });
  useEffect(() => {
    if (text === shown) return;
    const show = (): void => {
      last.current = { pace, sinceMs: performance.now() };
      setShown(text);
    };
    const waitMs = getWaitMs(pace, last.current.pace, performance.now() - last.current.sinceMs);
    if (waitMs <= 0) return show();
    const timer = setTimeout(show, waitMs);
    return () => clearTimeout(timer);
  }, [text, pace, shown]);
  return shown;
}

function getWaitMs(next: Pace, before: Pace, shownMs: number): number {
  if (next === "plain" || next === "held" || before === "plain") return 0;
  const leftMs = before === "held" ? LEAST_SHOWN_MS - shownMs : 0;
  return next === "turn" ? leftMs : Math.max(leftMs, before === "calm" ? 0 : CALM_MS);
}
