/**
 * The level of the microphone as a moving waveform, one bar for each 100 ms and the newest on the right; for
 * who wants no motion, as one bar. No React component renders while it moves.
 */

import { useEffect, useRef } from "react";

import { useMediaQuery } from "@/shared/ui/use-media-query";

import type { Dictation } from "../dictation";

const QUIET_DB = -60;
const LOUD_DB = -12;
/** As many as the widest composer shows; what does not fit is cut off on the left. */
const BARS = 96;
/** A bar and the gap beside it (px). */
const STEP_PX = 5;
/** How often a level comes (ms). */
const LEVEL_MS = 100;
/** The height of silence, as a part of the whole: a row of dots. */
const LEAST_HEIGHT = 0.12;

/** The part of the meter that a level (0 to 1) fills: logarithmic, as people hear. */
function computeFill(level: number): number {
  if (level <= 0) return 0;
  const db = 20 * Math.log10(level);
  return Math.min(1, Math.max(0, (db - QUIET_DB) / (LOUD_DB - QUIET_DB)));
}

/** The height of a bar: a room without speech stays low. */
function computeHeight(level: number): number {
  return Math.max(LEAST_HEIGHT, computeFill(level) ** 1.6);
}

type LevelSource = Pick<Dictation, "level" | "subscribeLevel">;

/** Hidden from screen readers: they read the text of the state. */
export function LevelMeter({ source, className = "" }: { source: LevelSource; className?: string }) {
  const isStill = useMediaQuery("(prefers-reduced-motion: reduce)");
  return (
    <div
      aria-hidden
      data-testid="level"
      className={`flex h-8 flex-1 items-center overflow-hidden [container-type:inline-size] transition-opacity ${isStill ? "" : "fades-left"} ${className}`}
    >
      {isStill ? <Bar source={source} /> : <Waveform source={source} />}
    </div>
  );
}

function Waveform({ source }: { source: LevelSource }) {
  const strip = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const bars = [...(strip.current?.querySelectorAll("span") ?? [])];
    const heights = bars.map(() => LEAST_HEIGHT);
    const show = (): void => {
      heights.shift();
      heights.push(computeHeight(source.level()));
      bars.forEach((bar, place) => (bar.style.transform = `scaleY(${heights[place]?.toFixed(2)})`));
      // Only the compositor moves it from one level to the next.
      strip.current?.animate([{ transform: `translateX(${STEP_PX}px)` }, { transform: "none" }], LEVEL_MS);
    };
    return source.subscribeLevel(show);
  }, [source]);
  return (
    <div ref={strip} className="waveform">
      {Array.from({ length: BARS }, (_, place) => (
        <span key={place} />
      ))}
    </div>
  );
}

function Bar({ source }: { source: LevelSource }) {
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
    <div className="level-bar">
      <div ref={bar} />
    </div>
  );
}
