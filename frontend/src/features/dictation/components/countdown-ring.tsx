/** The ring round the microphone: it empties while a pause runs, and at its end the text is sent. */
import { useLayoutEffect, useRef } from "react";

import type { HandsFreeState, Turn } from "../hands-free/turns";

const RADIUS = 20;
const LENGTH = 2 * Math.PI * RADIUS;

export function CountdownRing({ state }: { state: HandsFreeState }) {
  if (state.kind === "off" || state.turn.kind !== "pausing") return null;
  if (state.chat === "busy") return null; // nothing is sent before the answer has ended
  return <Ring key={state.turn.sinceMs} turn={state.turn} />; // another pause starts the animation again
}

function Ring({ turn: { sinceMs, untilMs } }: { turn: Extract<Turn, { kind: "pausing" }> }) {
  const circle = useRef<SVGCircleElement>(null);
  useLayoutEffect(() => {
    if (circle.current === null) return;
    circle.current.style.animationDuration = `${untilMs - sinceMs}ms`;
    // The pause began before this page was told of it.
    circle.current.style.animationDelay = `${Math.min(0, sinceMs - performance.now())}ms`;
  }, [sinceMs, untilMs]);
  return (
    <svg
      aria-hidden
      data-testid="countdown"
      viewBox="0 0 44 44"
      className="pointer-events-none absolute -inset-0.5 -rotate-90 text-accent"
    >
      <circle
        ref={circle}
        className="countdown"
        cx="22"
        cy="22"
        r={RADIUS}
        fill="none"
        stroke="currentColor"
        strokeWidth="3"
        strokeDasharray={LENGTH}
      />
    </svg>
  );
}
