/** Colours for code that may still grow. The highlighter comes with the first block, and works at most now and then. */
import { useEffect, useRef, useState } from "react";

import type { Coloured } from "./highlight";

const PAUSE_MS = 100;
/** Of the time that passes, at most a fifth goes into colours. */
const SHARE = 5;
const LONGEST_CHARS = 60_000;

/** `code` is what was coloured: where more has come since, the rest of it is still plain. */
export interface Colours {
  code: string;
  tree: Coloured;
}

export function useHighlight(code: string, language: string): Colours | null {
  const [colours, setColours] = useState<Colours | null>(null);
  const latest = useRef({ code, language });
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const pauseMs = useRef(PAUSE_MS);
  useEffect(() => {
    latest.current = { code, language };
    if (!language || code.length > LONGEST_CHARS || timer.current !== null) return;
    const colourLatest = async (): Promise<void> => {
      timer.current = null;
      const wanted = latest.current;
      const found = await colour(wanted.code, wanted.language);
      if (!found) return;
      pauseMs.current = Math.max(PAUSE_MS, found.tookMs * SHARE);
      setColours({ code: wanted.code, tree: found.tree });
    };
    timer.current = setTimeout(() => void colourLatest(), pauseMs.current);
  }, [code, language]);
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    },
    [],
  );
  return colours && code.startsWith(colours.code) ? colours : null;
}

async function colour(code: string, language: string): Promise<{ tree: Coloured; tookMs: number } | null> {
  try {
    const { highlight } = await import("./highlight");
    return await highlight(code, language);
  } catch {
    return null; // A part of the page that cannot be loaded now: code is readable without colours.
  }
}
