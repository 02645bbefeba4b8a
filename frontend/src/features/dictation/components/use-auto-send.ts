/** Sends dictated text without a click, where the setting asks for it, when the dictation ends. */
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
  const [{ autoSend }] = useSettings();
  /** The text to send as soon as the chat accepts it, unless the user types before. */
  const due = useRef<string | null>(null);
  useEffect(() => {
    due.current = null;
    if (!autoSend) return;
    let before: DictationView = dictation.get();
    return dictation.subscribe(() => {
      const now = dictation.get();
      const isAtEnd = before.state.kind === "finishing" && now.state.kind === "idle";
      before = now;
      if (dictation.isElsewhere()) return;
      const model = dictation.composer.get();
      if (hasOpenUtterance(model) || model.text.trim() === "") return;
      if (!isAtEnd || dictation.isHandsFree) return; // the end of hands-free sends nothing
      due.current = model.text;
      send(); // without effect while an answer streams
    });
  }, [dictation, autoSend, send]);
  const onReady = useCallback(() => {
    const { text } = dictation.composer.get();
    if (text === due.current) send();
    else due.current = null; // an open utterance is sent with its final
  }, [dictation, send]);
  const reset = useCallback(() => void (due.current = null), []);
  return { onReady, reset };
}
