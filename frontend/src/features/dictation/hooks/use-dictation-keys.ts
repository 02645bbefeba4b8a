/** The keys of dictation: one is held to speak, Escape takes back what is not final. */

import { useEffect } from "react";

import { useSettings } from "@/shared/settings/store";

import type { Dictation } from "../dictation";
import { isBusy, isRecording } from "../dictation-state";
import { isForTalking } from "./push-to-talk";

export function useDictationKeys(dictation: Dictation): void {
  const [{ pushToTalkKey }] = useSettings();
  useEffect(() => {
    let isHeld = false;
    const release = (): void => {
      if (isHeld) void dictation.stop();
      isHeld = false;
    };
    const pressed = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null) return;
      if (event.key === "Escape" && isBusy(dictation.get().state)) {
        event.preventDefault();
        isHeld = false;
        return dictation.cancel();
      }
      if (isHeld && event.code === pushToTalkKey) return event.preventDefault(); // it repeats
      if (event.ctrlKey && !pushToTalkKey.startsWith("Control")) return;
      if (event.metaKey || !isForTalking(event.code, pushToTalkKey, event.target)) return;
      event.preventDefault(); // Space would scroll
      if (event.repeat || isRecording(dictation.get().state)) return;
      isHeld = true;
      dictation.start();
    };
    const released = (event: KeyboardEvent): void => {
      if (event.code === pushToTalkKey) release();
    };
    // Before the chat's: an Escape that ends a dictation does not stop an answer too.
    addEventListener("keydown", pressed, { capture: true });
    addEventListener("keyup", released, { capture: true });
    addEventListener("blur", release);
    return () => {
      removeEventListener("keydown", pressed, { capture: true });
      removeEventListener("keyup", released, { capture: true });
      removeEventListener("blur", release);
      release();
    };
  }, [dictation, pushToTalkKey]);
}
