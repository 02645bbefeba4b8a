/** The keys of the whole page. Dictation and chat have theirs beside what they move. */

export type Shortcut = "sheet" | "new" | "search" | "sidebar" | "settings";

interface Key {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

/** What a key asks for; `typing`: the focus is in a text, where plain keys are letters. */
export function shortcutOf(event: Key, typing: boolean): Shortcut | null {
  const command = (event.ctrlKey || event.metaKey) && !event.altKey;
  const key = event.key.toLowerCase();
  if (command && event.shiftKey && key === "o") return "new";
  if (command && !event.shiftKey && key === "k") return "search";
  if (command && !event.shiftKey && key === "b") return "sidebar";
  if (command && !event.shiftKey && key === ",") return "settings";
  if (key === "?" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) return "sheet";
  return null;
}

/** Whether keys that are pressed there are text. */
export function isTyping(target: EventTarget | null): boolean {
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
