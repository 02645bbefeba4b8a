/** Push to talk: a key is held to speak, and Escape cancels the dictation. */
import { useEffect } from "react";

import { useSettings } from "@/shared/services";

import type { Dictation } from "../dictation";
import { isBusy, isRecording } from "../dictation-state";

const TEXT_FIELDS =
  "input:not([type=checkbox],[type=radio],[type=button],[type=range]), textarea, select, [contenteditable=true]";
/** Elements that the space bar activates. */
const ACTIVATED_BY_SPACE =
  "button, a[href], summary, input, [role=menuitem], [role=button], [role=tab], [role=option], [role=switch]";

/** Whether a key that is pressed on this element starts the microphone. */
export function startsTalking(code: string, chosen: string, target: EventTarget | null): boolean {
  if (code !== chosen) return false;
  if (!(target instanceof Element)) return true;
  if (isWritingKey(code) && target.closest(TEXT_FIELDS) !== null) return isEmptyComposer(target);
  return !(code === "Space" && target.closest(ACTIVATED_BY_SPACE) !== null);
}

/**
 * The composer usually has the focus, and no text starts with a space: in the empty composer the key starts
 * talking.
 */
function isEmptyComposer(target: Element): boolean {
  return target instanceof HTMLTextAreaElement && "composer" in target.dataset && target.value === "";
}

/** Whether the key writes a character or moves the caret. */
function isWritingKey(code: string): boolean {
  return !/^(F\d+|Control|Alt|Shift|Pause|ScrollLock|Insert|CapsLock|ContextMenu|Media|Launch|Browser)/u.test(
    code,
  );
}

export function useDictationKeys(dictation: Dictation): void {
  const [{ pushToTalkKey }] = useSettings();
  useEffect(() => {
    /** `done`: still held after Escape or in another window; its repeats must not write spaces. */
    let key: "up" | "talking" | "done" = "up";
    const release = (to: "up" | "done"): void => {
      if (key === "talking") void dictation.stop();
      if (key !== "up") key = to;
    };
    const handleKeyDown = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null)
        return;
      if (event.key === "Escape" && isBusy(dictation.get().state)) {
        event.preventDefault();
        if (key === "talking") key = "done";
        // Words that are not seen are not taken back.
        return dictation.isElsewhere() ? void dictation.stop() : dictation.cancel();
      }
      if (event.code === pushToTalkKey && !event.repeat) key = "up"; // it was released in another window
      if (event.code === pushToTalkKey && key !== "up") return event.preventDefault();
      if (event.ctrlKey && !pushToTalkKey.startsWith("Control")) return;
      if (event.metaKey || !startsTalking(event.code, pushToTalkKey, event.target)) return;
      event.preventDefault(); // the space bar would scroll
      if (event.repeat || isRecording(dictation.get().state)) return;
      key = "talking";
      dictation.start();
    };
    const handleKeyUp = (event: KeyboardEvent): void => {
      if (event.code === pushToTalkKey) release("up");
    };
    const handleBlur = (): void => release("done");
    // Before the shortcuts of the chat: an Escape that cancels a dictation must not stop an answer, too.
    addEventListener("keydown", handleKeyDown, { capture: true });
    addEventListener("keyup", handleKeyUp, { capture: true });
    addEventListener("blur", handleBlur);
    return () => {
      removeEventListener("keydown", handleKeyDown, { capture: true });
      removeEventListener("keyup", handleKeyUp, { capture: true });
      removeEventListener("blur", handleBlur);
      handleBlur();
    };
  }, [dictation, pushToTalkKey]);
}
