/** Dates as the reader writes them: in the page's language, with the region of the browser where it has that one. */

export function localeOf(language: string, preferred: readonly string[] = navigator.languages): string {
  return preferred.find((tag) => tag.toLowerCase().split("-")[0] === language) ?? language;
}

/** The time for today, else the day. */
export function shortWhen(when: string, language: string, now = new Date()): string {
  const date = new Date(when);
  const locale = localeOf(language);
  return date.toDateString() === now.toDateString()
    ? date.toLocaleTimeString(locale, { hour: "numeric", minute: "2-digit" })
    : date.toLocaleDateString(locale, { day: "numeric", month: "short", year: "numeric" });
}
