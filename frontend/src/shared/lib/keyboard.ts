/** Keys as people press and name them: what a key is called, whether it writes, and Enter that sends. */
import type { KeyboardEvent } from "react";

const MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);
/** What is written on the keys. */
export const COMMAND = MAC ? "⌘" : "Ctrl";
export const ALT = MAC ? "⌥" : "Alt";

/**
 * The name of a key by its place on the keyboard (`KeyboardEvent.code`): `KeyB` is B, `Digit1` is 1.
 *
 * @param space the name of the space bar in the language of the page
 */
export function nameKey(code: string, space: string): string {
  if (code === "Space") return space;
  return code.replace(/^(Key|Digit)/, "").replace(/(?<=[a-z])(?=[A-Z0-9])/g, " ");
}

/**
 * Submit the form on Enter, but not on Shift+Enter, nor on the Enter that ends a composition (Japanese,
 * accents).
 */
export function submitOnEnter(event: KeyboardEvent<HTMLTextAreaElement>): void {
  if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}
