/** The keys of dictation: one is held to speak, Escape takes back what is not final. */

import { useEffect } from "react";

import { useSettings } from "@/shared/settings/store";

import type { Dictation } from "../dictation";
import { isBusy, isRecording } from "../dictation-state";
import { isForTalking } from "./push-to-talk";

export function useDictationKeys(dictation: Dictation): void {
  const [{ pushToTalkKey }] = useSettings();
  useEffect(() => {
    /** `done`: still down after Escape or in another window, and not to be written as so many spaces. */
    let key: "up" | "talking" | "done" = "up";
    const release = (to: "up" | "done"): void => {
      if (key === "talking") void dictation.stop();
      if (key !== "up") key = to;
    };
    const pressed = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]") !== null)
        return;
      if (event.key === "Escape" && isBusy(dictation.get().state)) {
        event.preventDefault();
        if (key === "talking") key = "done";
        return dictation.cancel();
      }
      if (event.code === pushToTalkKey && !event.repeat) key = "up"; // let go of where nobody saw it
      if (event.code === pushToTalkKey && key !== "up") return event.preventDefault();
      if (event.ctrlKey && !pushToTalkKey.startsWith("Control")) return;
      if (event.metaKey || !isForTalking(event.code, pushToTalkKey, event.target)) return;
      event.preventDefault(); // Space would scroll
      if (event.repeat || isRecording(dictation.get().state)) return;
      key = "talking";
      dictation.start();
    };
    const released = (event: KeyboardEvent): void => {
      if (event.code === pushToTalkKey) release("up");
    };
    const left = (): void => release("done");
    // Before the chat's: an Escape that ends a dictation does not stop an answer too.
    addEventListener("keydown", pressed, { capture: true });
    addEventListener("keyup", released, { capture: true });
    addEventListener("blur", left);
    return () => {
      removeEventListener("keydown", pressed, { capture: true });
      removeEventListener("keyup", released, { capture: true });
      removeEventListener("blur", left);
      left();
    };
  }, [dictation, pushToTalkKey]);
}
