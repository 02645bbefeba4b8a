/** The keyboard shortcuts of the whole page. Dictation and chat have their own. */
import { useEffect, useRef } from "react";

import { isComposing, isDialogOpen } from "@/shared/lib/keyboard";

export type Shortcut = "sheet" | "new" | "jump" | "sidebar" | "settings" | "leave";

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
  if (key === "escape" && !command && !event.shiftKey && !event.altKey) return "leave";
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

/**
 * Where Escape leads from a page: to the conversation that was open before it, and from one dictation to the
 * list; null from a conversation, where Escape has other uses.
 *
 * @param chatPath the conversation that was open last
 */
export function findWayOut(path: string, chatPath: string): string | null {
  if (path.startsWith("/dictations/")) return "/dictations";
  return isChatPath(path) ? null : chatPath;
}

export function isChatPath(path: string): boolean {
  return !/^\/(settings|dictations)\b/.test(path);
}

/** @param run false where there was nothing to do, so that the browser handles the key */
export function useShortcuts(run: (shortcut: Shortcut) => boolean | void): void {
  const latest = useRef(run);
  useEffect(() => {
    latest.current = run;
  });
  useEffect(() => {
    const handleKey = (event: KeyboardEvent) => {
      // An open dialog gets all keys.
      if (event.defaultPrevented || event.repeat || isComposing(event) || isDialogOpen()) return;
      const shortcut = findShortcut(event, isTextInput(event.target));
      if (shortcut === null) return;
      if (latest.current(shortcut) !== false) event.preventDefault();
    };
    addEventListener("keydown", handleKey);
    return () => removeEventListener("keydown", handleKey);
  }, []);
}
