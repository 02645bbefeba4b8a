/** Hands-free for the page that is shown: made with it, ended with it, and by Escape. */
import { useEffect, useState, useSyncExternalStore } from "react";

import { SILENCE_MS } from "@/shared/api/endpointing";
import { useServices } from "@/shared/services";

import type { Dictation } from "../dictation";
import { HandsFree } from "../hands-free/hands-free";
import type { HandsFreeState } from "../hands-free/turns";

/** @param send sends the text of the field; the same function for every render */
export function useHandsFree(dictation: Dictation, send: () => void): HandsFree {
  const { settings } = useServices();
  const [handsFree] = useState(
    () =>
      new HandsFree({
        dictation,
        send,
        readSilenceMs: () => SILENCE_MS[settings.get().endpointing || "conversation"],
      }),
  );
  useEffect(() => handsFree.open(), [handsFree]);
  useEffect(() => {
    // Before the keys of dictation: Escape would take back what is not final.
    const handleKey = (event: KeyboardEvent): void => {
      if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
      if (handsFree.get().kind === "off" || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      handsFree.stop();
    };
    addEventListener("keydown", handleKey, { capture: true });
    return () => removeEventListener("keydown", handleKey, { capture: true });
  }, [handsFree]);
  return handsFree;
}

export function useHandsFreeState(handsFree: HandsFree): HandsFreeState {
  return useSyncExternalStore(handsFree.subscribe, handsFree.get);
}
