/** Where it was asked for: sends what was dictated once it is final; hands-free at each pause, else at the end. */

import { useEffect } from "react";

import { useSettings } from "@/shared/settings/store";

import { isUnsettled } from "../composer/model";
import type { Dictation, DictationView } from "../dictation";

export function useAutoSend(dictation: Dictation, send: () => void): void {
  const [{ autoSend, endpointing }] = useSettings();
  useEffect(() => {
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
      if (isHandsFree ? isNews : isAtEnd) send();
    });
  }, [dictation, autoSend, endpointing, send]);
}
