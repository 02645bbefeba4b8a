/** Listens for the page's keys. */
import { useEffect, useRef } from "react";

import { isTyping, type Shortcut, shortcutOf } from "./shortcuts";

export function useShortcuts(run: (shortcut: Shortcut) => void): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      // A dialog has the page's keys to itself.
      if (event.defaultPrevented || event.repeat || document.querySelector("dialog[open]") !== null) return;
      const shortcut = shortcutOf(event, isTyping(event.target));
      if (shortcut === null) return;
      event.preventDefault();
      latest.current(shortcut);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
