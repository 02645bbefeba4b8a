/** Puts the chosen look on the page, and keeps it where assets/theme.js finds it before the first paint. */
import type { Settings } from "../lib/settings";
import type { LookChoices } from "./look";

declare global {
  interface Window {
    /** The style sheet of the look that assets/theme.js has put on the page. */
    prompterLook?: CSSStyleSheet | undefined;
  }
}

/** assets/theme.js reads the same key. */
const LOOK_KEY = "prompter.look";

/** Light or dark, and more contrast: as chosen, or as the system is set. The result ends it. */
export function followSystem({ theme, contrast }: Pick<Settings, "theme" | "contrast">): () => void {
  const darker = matchMedia("(prefers-color-scheme: dark)");
  const stronger = matchMedia("(prefers-contrast: more)");
  const apply = (): void => {
    const { classList } = document.documentElement;
    classList.toggle("dark", theme === "system" ? darker.matches : theme === "dark");
    classList.toggle("contrast", contrast === "system" ? stronger.matches : contrast === "high");
  };
  apply();
  [darker, stronger].forEach((query) => query.addEventListener("change", apply));
  return () => [darker, stronger].forEach((query) => query.removeEventListener("change", apply));
}

type LookSettings = LookChoices & Pick<Settings, "ownTheme">;

let latest = 0;

/** Applies a look. Of several at once the last one counts; one that does not load changes nothing. */
export async function showLook(settings: LookSettings): Promise<void> {
  latest += 1;
  const mine = latest;
  const { palette, accent, codeTheme, textSize, density, font } = settings;
  const isPlain = [palette, accent, codeTheme, textSize, density, font].every((choice) => choice === "");
  try {
    const css = isPlain ? "" : (await import("./own-look")).makeLook(settings);
    if (mine === latest) putOn(css);
  } catch {
    // The server is away: the next change, or the next visit, makes it.
  }
}

function putOn(css: string): void {
  if (window.prompterLook === undefined) {
    if (css === "") return;
    window.prompterLook = new CSSStyleSheet();
    document.adoptedStyleSheets.push(window.prompterLook);
  }
  window.prompterLook.replaceSync(css);
  try {
    if (css === "") localStorage.removeItem(LOOK_KEY);
    else localStorage.setItem(LOOK_KEY, css);
  } catch {
    // Storage is full or forbidden: the look holds until the page is closed.
  }
}
