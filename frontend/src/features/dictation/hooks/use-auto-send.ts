/** Where it was asked for: sends what was dictated once it is final; hands-free at each pause, else at the end. */

import { useCallback, useEffect, useRef } from "react";

import { useSettings } from "@/shared/settings/store";

import { isUnsettled } from "../composer/model";
import type { Dictation, DictationView } from "../dictation";

interface AutoSend {
  /** The chat takes texts again. */
  whenFree: () => void;
  /** What was due is on its way, or is another conversation's. */
  drop: () => void;
}

export function useAutoSend(dictation: Dictation, send: () => void): AutoSend {
  const [{ autoSend, endpointing }] = useSettings();
  /** What is to be sent as soon as the chat takes it, unless it is typed into before. */
  const due = useRef<string | null>(null);
  useEffect(() => {
    due.current = null;
    if (!autoSend) return;
    const isHandsFree = endpointing === "hands_free";
    let before: DictationView = dictation.get();
    return dictation.subscribe(() => {
      const now = dictation.get();
      const isNews = now.heard !== before.heard;
      const isAtEnd = before.state.kind === "finishing" && now.state.kind === "idle";
      before = now;
      const model = dictation.composer.get();
      if (isUnsettled(model) || model.text.trim() === "") return;
      if (!(isHandsFree ? isNews : isAtEnd)) return;
      due.current = model.text;
      send(); // to no avail while an answer streams
    });
  }, [dictation, autoSend, endpointing, send]);
  const whenFree = useCallback(() => {
    const { text } = dictation.composer.get();
    if (text === due.current) send();
    else due.current = null; // an utterance that is still open is due with its final
  }, [dictation, send]);
  const drop = useCallback(() => void (due.current = null), []);
  return { whenFree, drop };
}
