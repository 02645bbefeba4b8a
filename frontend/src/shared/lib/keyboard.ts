/** Keys as people press and name them: what a key is called, whether it acts, and Enter that sends. */
import type { TFunction } from "i18next";
import type { KeyboardEvent as ReactKeyboardEvent } from "react";

const MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);
/** What is written on the keys. */
export const COMMAND = MAC ? "⌘" : "Ctrl";
export const ALT = MAC ? "⌥" : "Alt";

/** Keys with a name in the language of the page; all others have the one of their code. */
const NAMED_KEYS = [
  "Space",
  "Shift",
  "Enter",
  "Delete",
  "Control",
  "Insert",
  "Pause",
  "CapsLock",
  "ScrollLock",
  "ContextMenu",
] as const;
const SIDES = { Left: "common.keySides.left", Right: "common.keySides.right" } as const;

/** The name on a key, by its place on the keyboard (`KeyboardEvent.code`): `KeyB` is B, `Digit1` is 1. */
export function nameKey(code: string, t: TFunction): string {
  const [, stem = code, side] = /^(Shift|Control|Alt)(Left|Right)$/.exec(code) ?? [];
  const named = NAMED_KEYS.find((name) => name === stem);
  const key = named
    ? t(`common.keyNames.${named}`)
    : stem.replace(/^(Key|Digit)/, "").replace(/(?<=[a-z])(?=[A-Z0-9])/g, " ");
  return side === "Left" || side === "Right" ? t(SIDES[side], { key }) : key;
}

type AnyKeyboardEvent = KeyboardEvent | ReactKeyboardEvent;

/** The key code of keys that an input method has taken. */
const TAKEN_BY_INPUT_METHOD = 229;

/**
 * Whether an input method (Japanese, Chinese, accents) uses the key, so that it does nothing else. Chrome and
 * Firefox tell it of the event. Safari ends the composition before the event of the key that ended it, which
 * then only has the key code.
 */
export function isComposing(event: AnyKeyboardEvent): boolean {
  const native = "nativeEvent" in event ? event.nativeEvent : event;
  return native.isComposing || native.keyCode === TAKEN_BY_INPUT_METHOD;
}

/** Whether Enter is pressed to act: not for a new line, and not to end a composition. */
export function isEnter(event: AnyKeyboardEvent): boolean {
  return event.key === "Enter" && !event.shiftKey && !isComposing(event);
}

/** Whether Escape is pressed to leave, and not to end a composition. */
export function isEscape(event: AnyKeyboardEvent): boolean {
  return event.key === "Escape" && !isComposing(event);
}

/** Submit the form on Enter. */
export function submitOnEnter(event: ReactKeyboardEvent<HTMLTextAreaElement>): void {
  if (!isEnter(event)) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}

/** Whether an open dialog gets all keys. */
export function isDialogOpen(): boolean {
  return document.querySelector("dialog[open]") !== null;
}
