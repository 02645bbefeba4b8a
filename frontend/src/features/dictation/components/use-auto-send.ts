/** Sends dictated text without a click, where the setting asks for it: at each pause, or at the end. */
import { useCallback, useEffect, useRef } from "react";

import { useSettings } from "@/shared/services";

import { hasOpenUtterance } from "../composer/model";
import type { Dictation, DictationView } from "../dictation";

interface AutoSend {
  /** Call when the chat accepts texts again. */
  onReady: () => void;
  /** Send nothing by itself: the text was sent, or another conversation is shown. */
  reset: () => void;
}

export function useAutoSend(dictation: Dictation, send: () => void): AutoSend {
  const [{ autoSend, endpointing }] = useSettings();
  /** The text to send as soon as the chat accepts it, unless the user types before. */
  const due = useRef<string | null>(null);
  useEffect(() => {
    due.current = null;
    if (!autoSend) return;
    const isHandsFree = endpointing === "hands_free";
    let before: DictationView = dictation.get();
    return dictation.subscribe(() => {
      const now = dictation.get();
      const isNewFinal = now.lastFinal !== before.lastFinal;
      const isAtEnd = before.state.kind === "finishing" && now.state.kind === "idle";
      before = now;
      const model = dictation.composer.get();
      if (hasOpenUtterance(model) || model.text.trim() === "") return;
      if (!(isHandsFree ? isNewFinal : isAtEnd)) return;
      due.current = model.text;
      send(); // without effect while an answer streams
    });
  }, [dictation, autoSend, endpointing, send]);
  const onReady = useCallback(() => {
    const { text } = dictation.composer.get();
    if (text === due.current) send();
    else due.current = null; // an open utterance is sent with its final
  }, [dictation, send]);
  const reset = useCallback(() => void (due.current = null), []);
  return { onReady, reset };
}
