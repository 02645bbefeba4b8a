/** Names of spoken languages, for an engine that lists its own or takes any. */

/** Offered where an engine takes any: the most spoken, and those nearest to this page's readers. */
const COMMON = [
  ...[
    "ar",
    "bn",
    "ca",
    "cs",
    "da",
    "de",
    "el",
    "en",
    "es",
    "eu",
    "fa",
    "fi",
    "fr",
    "gl",
    "he",
    "hi",
    "hu",
    "id",
    "it",
  ],
  ...["ja", "ko", "nl", "no", "pl", "pt", "ro", "ru", "sv", "sw", "ta", "th", "tr", "uk", "ur", "vi", "zh"],
];

export interface SpokenLanguage {
  tag: string;
  name: string;
}

/** `engine`: primary tags of the engine, null for any. `chosen` is offered even if the engine lacks it. */
export function spokenLanguages(
  engine: readonly string[] | null,
  chosen: string,
  page: string,
): SpokenLanguage[] {
  const names = new Intl.DisplayNames([page], { type: "language", fallback: "code" });
  const tags = new Set(engine ?? COMMON);
  if (chosen !== "auto") tags.add(chosen);
  return [...tags]
    .map((tag) => ({ tag, name: nameOf(names, tag) }))
    .sort((one, other) => one.name.localeCompare(other.name, page));
}

function nameOf(names: Intl.DisplayNames, tag: string): string {
  try {
    const name = names.of(tag) ?? tag;
    return name.charAt(0).toLocaleUpperCase() + name.slice(1);
  } catch {
    return tag; // Not a tag that this browser can read.
  }
}
