/** Hands-free and reading aloud for the page that is shown: made with it, ended with it, and by Escape. */
import { useEffect, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import { LANGUAGES, loadTexts } from "@/i18n/i18n";
import { SILENCE_MS } from "@/shared/api/endpointing";
import { isDialogOpen, isEscape } from "@/shared/lib/keyboard";
import { HANDS_FREE } from "@/shared/lib/page-actions";
import { useServices, useSettings } from "@/shared/services";

import type { Dictation } from "../dictation";
import { HandsFree } from "../hands-free/hands-free";
import { ReadAloud, type ReadingState } from "../hands-free/read-aloud";
import type { HandsFreeState } from "../hands-free/turns";
import { Voice } from "../hands-free/voice";

/** @param send sends the text of the field; the same function for every render */
export function useHandsFree(dictation: Dictation, send: () => void): HandsFree {
  const { settings, actions } = useServices();
  const [{ readsAloud }] = useSettings();
  const { i18n, t } = useTranslation();
  const [handsFree] = useState(() => {
    const reading = new ReadAloud({
      voice: new Voice(),
      readLanguage: () => i18n.language,
      nameCode: (language, lang) =>
        language === "" ? t("handsFree.code", { lng: lang }) : t("handsFree.codeIn", { language, lng: lang }),
      announceTool: (what) => t("handsFree.asking", { what, lng: i18n.language }),
    });
    return new HandsFree({
      dictation,
      send,
      reading,
      readSilenceMs: () => SILENCE_MS[settings.get().endpointing || "conversation"],
      cancelsEcho: () => settings.get().echoCancellation && canCancelEcho(),
      describeEnd: (reason) => t(`handsFree.ended.${reason}`, { lng: i18n.language }),
    });
  });
  useEffect(() => handsFree.open(), [handsFree]);
  useEffect(() => actions.register(HANDS_FREE, handsFree.toggle), [actions, handsFree]);
  useEffect(() => handsFree.reading.switch(readsAloud), [handsFree, readsAloud]);
  useEffect(() => {
    // An answer may be in another language than the page. Without its texts, code is named in English.
    if (readsAloud) void Promise.allSettled(LANGUAGES.map(loadTexts));
  }, [readsAloud]);
  useEffect(() => {
    const { reading } = handsFree;
    // Before the keys of dictation: Escape would take back what is not final.
    const handleKey = (event: KeyboardEvent): void => {
      if (!isEscape(event) || event.defaultPrevented || isDialogOpen()) return;
      const isReading = reading.get() === "reading" || reading.get() === "held";
      if (handsFree.get().kind === "off" && !isReading) return;
      event.preventDefault();
      reading.skip();
      handsFree.stop();
    };
    // Chromium reads on after the page has gone.
    const handleLeave = (): void => reading.skip();
    addEventListener("keydown", handleKey, { capture: true });
    addEventListener("pagehide", handleLeave);
    return () => {
      removeEventListener("keydown", handleKey, { capture: true });
      removeEventListener("pagehide", handleLeave);
      reading.skip();
    };
  }, [handsFree]);
  return handsFree;
}

function canCancelEcho(): boolean {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  return devices?.getSupportedConstraints().echoCancellation === true;
}

export function useHandsFreeState(handsFree: HandsFree): HandsFreeState {
  return useSyncExternalStore(handsFree.subscribe, handsFree.get);
}

export function useReadingState({ reading }: HandsFree): ReadingState {
  return useSyncExternalStore(reading.subscribe, reading.get);
}
