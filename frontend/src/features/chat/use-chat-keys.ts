/** The chat's keys, wherever the focus is. */
import { useEffect, useRef } from "react";

export interface ChatKeys {
  /** Gives whether there was something to stop. */
  stop: () => boolean;
  compose: () => void;
  again: () => void;
  copyAnswer: () => void;
  /** To the tool that asks for approval. Gives whether one does. */
  approval: () => boolean;
}

export function useChatKeys(keys: ChatKeys): void {
  const now = useRef(keys);
  useEffect(() => void (now.current = keys));
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
      const act = actOf(event, now.current);
      if (!act) return;
      if (act() !== false) event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

function actOf(event: KeyboardEvent, keys: ChatKeys): (() => boolean | void) | null {
  const { altKey, ctrlKey, metaKey, shiftKey, code, key } = event;
  if (key === "Escape") return () => keys.stop();
  if (ctrlKey || metaKey || shiftKey)
    return key === "/" && !isText(event.target) ? () => keys.compose() : null;
  // By its place: Option and a letter types a sign on a Mac.
  if (altKey) {
    const acts: Record<string, (() => boolean | void) | undefined> = {
      KeyR: () => keys.again(),
      KeyC: () => keys.copyAnswer(),
      KeyA: () => keys.approval(),
    };
    return acts[code] ?? null;
  }
  return key === "/" && !isText(event.target) ? () => keys.compose() : null;
}

/** Whether a key would be written there. */
export function isText(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable=true]") !== null
  );
}
