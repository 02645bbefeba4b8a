/** The look of this browser: what is chosen in its settings, over the theme of the server. */
import { type LookChoices, type LookSource, writeLook } from "./look";
import { parseThemeFile, type ThemeFile } from "./theme-file";

/** The theme that the operator has set; null on a server without one. */
export function readServerTheme(page: Document = document): ThemeFile | null {
  return readFile(page.querySelector<HTMLLinkElement>("link[data-theme]")?.dataset["theme"] ?? "");
}

export function findSource(choices: LookChoices & { ownTheme: string }): LookSource {
  const { palette, ownTheme } = choices;
  const file = palette === "own" ? readFile(ownTheme) : palette === "" ? readServerTheme() : null;
  return { choices, file };
}

export function makeLook(choices: LookChoices & { ownTheme: string }): string {
  return writeLook(findSource(choices));
}

/** Null for a text that is no theme file. */
export function readFile(text: string): ThemeFile | null {
  try {
    return text === "" ? null : parseThemeFile(text);
  } catch {
    return null;
  }
}
