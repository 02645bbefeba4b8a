/** Colours for code that may still grow: the loader comes with the first block, and typing pauses are waited for. */
import { useEffect, useState } from "react";

import type { Coloured } from "./highlight";

const PAUSE_MS = 120;
const LONGEST_CHARS = 60_000;

/** `code` is what was coloured: where more has come since, the rest of it is still plain. */
export interface Colours {
  code: string;
  tree: Coloured;
}

export function useHighlight(code: string, language: string): Colours | null {
  const [colours, setColours] = useState<Colours | null>(null);
  useEffect(() => {
    if (!language || code.length > LONGEST_CHARS) return;
    let wanted = true;
    const timer = setTimeout(async () => {
      try {
        const { highlight } = await import("./highlight");
        const tree = await highlight(code, language);
        if (wanted && tree) setColours({ code, tree });
      } catch {
        // A part of the page that cannot be loaded now: code is readable without colours.
      }
    }, PAUSE_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [code, language]);
  return colours && code.startsWith(colours.code) ? colours : null;
}
