/** Push to talk: a key or the microphone's button is held to speak, and Escape cancels the dictation. */
import { type MouseEvent, type PointerEvent, useEffect, useRef } from "react";

import { isComposing, isDialogOpen, isEscape } from "@/shared/lib/keyboard";
import { useSettings } from "@/shared/services";

import type { Dictation } from "../dictation";
import { type DictationState, isBusy, isRecording } from "../dictation-state";

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

/** @param onReleased called when the key has been held to speak; the same function for every render */
export function useDictationKeys(dictation: Dictation, onReleased: () => void): void {
  const [{ pushToTalkKey }] = useSettings();
  useEffect(() => {
    /** `done`: still held after Escape or in another window; its repeats must not write spaces. */
    let key: "up" | "talking" | "done" = "up";
    const release = (to: "up" | "done"): void => {
      const hasTalked = key === "talking";
      if (hasTalked) void dictation.stop();
      if (key !== "up") key = to;
      if (hasTalked && to === "up") onReleased();
    };
    const handleKeyDown = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || isComposing(event) || isDialogOpen()) return;
      if (isEscape(event) && isBusy(dictation.get().state)) {
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
  }, [dictation, onReleased, pushToTalkKey]);
}

/** A button that is held for this long is held to speak: lifting ends it. After less it listens on. */
export const HOLD_MS = 500;
/** A click that comes this soon after a press was lifted is a part of that press. */
const CLICK_AFTER_MS = 500;

interface MicrophonePress {
  onPointerDown: (event: PointerEvent<HTMLElement>) => void;
  onPointerUp: (event: PointerEvent<HTMLElement>) => void;
  onPointerCancel: () => void;
  onMouseDown: (event: MouseEvent) => void;
  onClick: (event: MouseEvent) => void;
  onContextMenu: (event: MouseEvent) => void;
}

/**
 * The handlers of a button that starts as soon as it is touched. Keys and screen readers click it.
 *
 * @param onMouse called after a press of the mouse
 */
export function useMicrophonePress(dictation: Dictation, onMouse: () => void): MicrophonePress {
  const press = useRef<{ atMs: number; wasOn: boolean } | null>(null);
  const liftedAtMs = useRef(-Infinity);
  return {
    onPointerDown: (event) => {
      if (!event.isPrimary || event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      press.current = { atMs: event.timeStamp, wasOn: isRecording(dictation.get().state) };
      dictation.start(); // without effect where it is on
    },
    onPointerUp: ({ timeStamp, pointerType }) => {
      if (press.current === null) return;
      const { atMs, wasOn } = press.current;
      press.current = null;
      liftedAtMs.current = timeStamp;
      const isHeld = timeStamp - atMs >= HOLD_MS && hasSound(dictation.get().state);
      if (wasOn || isHeld) void dictation.stop();
      if (pointerType === "mouse") onMouse(); // on a phone the keyboard would come up
    },
    // The system took the finger, for a question of the browser or a gesture of its own: it listens on.
    onPointerCancel: () => (press.current = null),
    onMouseDown: (event) => event.preventDefault(), // the focus stays where it is
    onClick: ({ timeStamp, detail }) => {
      if (detail > 0 && timeStamp - liftedAtMs.current < CLICK_AFTER_MS) return;
      dictation.toggle();
    },
    onContextMenu: (event) => event.preventDefault(), // a long touch
  };
}

/**
 * Whether what was said since the button was pressed is recorded. If not, the browser asks its user, or
 * wants the finger lifted first: the dictation goes on.
 */
function hasSound(state: DictationState): boolean {
  return "sound" in state && (state.sound === "live" || state.sound === "recovered");
}
