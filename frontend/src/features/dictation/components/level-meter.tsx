/** Shows the level of the microphone ten times a second, without rendering React components. */

import { useEffect, useRef } from "react";

import type { Dictation } from "../dictation";

const QUIET_DB = -60;
const LOUD_DB = -12;

/** The part of the meter that a level (0 to 1) fills: logarithmic, as people hear. */
function computeFill(level: number): number {
  if (level <= 0) return 0;
  const db = 20 * Math.log10(level);
  return Math.min(1, Math.max(0, (db - QUIET_DB) / (LOUD_DB - QUIET_DB)));
}

type LevelSource = Pick<Dictation, "level" | "subscribeLevel">;

/** Hidden from screen readers: they read the text of the state. */
export function LevelMeter({
  source,
  className = "h-1.5 w-16",
}: {
  source: LevelSource;
  className?: string;
}) {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const show = (): void => {
      if (bar.current !== null)
        bar.current.style.transform = `scaleX(${computeFill(source.level()).toFixed(3)})`;
    };
    show();
    return source.subscribeLevel(show);
  }, [source]);
  return (
    <div aria-hidden data-testid="level" className={`overflow-hidden rounded-full bg-raised ${className}`}>
      <div
        ref={bar}
        className="h-full w-full origin-left rounded-full bg-good transition-transform duration-100"
      />
    </div>
  );
}
