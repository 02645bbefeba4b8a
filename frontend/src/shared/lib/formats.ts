/** How dates, durations and sizes are written in the language of the page. */

/** The reader's own regional form of the page's language, where the browser prefers one. */
export function chooseLocale(language: string, preferred: readonly string[] = navigator.languages): string {
  return preferred.find((tag) => tag.toLowerCase().split("-")[0] === language) ?? language;
}

/** The time of day for today, otherwise the date. */
export function formatShortDate(when: string, language: string, now = new Date()): string {
  const date = new Date(when);
  const locale = chooseLocale(language);
  return date.toDateString() === now.toDateString()
    ? date.toLocaleTimeString(locale, { hour: "numeric", minute: "2-digit" })
    : date.toLocaleDateString(locale, { day: "numeric", month: "short", year: "numeric" });
}

/** A place in a recording: 1:02.3, or 1:01:02.3 from an hour on. */
export function formatTimecode(ms: number): string {
  const tenths = Math.floor(ms / 100);
  const seconds = (tenths % 600) / 10;
  const minutes = Math.floor(tenths / 600) % 60;
  const hours = Math.floor(tenths / 36_000);
  const tail = `${seconds.toFixed(1).padStart(4, "0")}`;
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** A remaining time: 4:05, or 1:04:05 from an hour on. */
export function formatCountdown(seconds: number): string {
  const pad = (count: number) => String(count).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

const SIZES = [
  ["gigabyte", 1e9],
  ["megabyte", 1e6],
  ["kilobyte", 1e3],
] as const;

/** 20 bytes, 12 kB, 486 MB, 3.1 GB. */
export function formatBytes(bytes: number, language: string): string {
  const [unit, size] = SIZES.find(([, least]) => bytes >= least) ?? ["byte", 1];
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit,
    unitDisplay: unit === "byte" ? "long" : "short",
    maximumFractionDigits: bytes >= 1e9 || (bytes >= 1e6 && bytes < 1e7) ? 1 : 0,
  }).format(bytes / size);
}
