/** The keyboard shortcuts of the whole page. Dictation and chat have their own. */
import { useEffect, useRef } from "react";

export type Shortcut = "sheet" | "new" | "jump" | "sidebar" | "settings";

interface Key {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

/**
 * The shortcut of a key, or null.
 *
 * @param isTyping the focus is in a text field, where plain keys are letters
 */
export function findShortcut(event: Key, isTyping: boolean): Shortcut | null {
  const command = (event.ctrlKey || event.metaKey) && !event.altKey;
  const key = event.key.toLowerCase();
  if (command && event.shiftKey && key === "o") return "new";
  if (command && !event.shiftKey && key === "k") return "jump";
  if (command && !event.shiftKey && key === "b") return "sidebar";
  if (command && !event.shiftKey && key === ",") return "settings";
  if (key === "?" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) return "sheet";
  return null;
}

/** Whether a key that is pressed there writes text. */
function isTextInput(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (
    target.isContentEditable ||
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement
  )
    return true;
  return (
    target instanceof HTMLInputElement && !["checkbox", "radio", "button", "range"].includes(target.type)
  );
}

export function useShortcuts(run: (shortcut: Shortcut) => void): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  useEffect(() => {
    const handleKey = (event: KeyboardEvent) => {
      // An open dialog gets all keys.
      if (event.defaultPrevented || event.repeat || document.querySelector("dialog[open]") !== null) return;
      const shortcut = findShortcut(event, isTextInput(event.target));
      if (shortcut === null) return;
      event.preventDefault();
      latest.current(shortcut);
    };
    addEventListener("keydown", handleKey);
    return () => removeEventListener("keydown", handleKey);
  }, []);
}
