/** How long a question still waits, as a clock shows it: pure. */

/** When the page says aloud that time runs out. */
export const LAST_S = 30;

/** Whole seconds until then, never less than none; null where the time cannot be read. */
export function secondsLeft(expiresAt: string | null, nowMs: number): number | null {
  const end = Date.parse(expiresAt ?? "");
  return Number.isNaN(end) ? null : Math.max(0, Math.ceil((end - nowMs) / 1000));
}

/** 4:05, or 1:04:05 from an hour on. */
export function clockOf(seconds: number): string {
  const two = (count: number) => String(count).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
