/** What the settings mean for a dictation. */

import type { Settings } from "@/shared/settings/settings";

import type { Wishes } from "./run";

const VOCABULARY_TERMS = 200;

export function wishesOf(settings: Settings): Wishes {
  const { speechLang, sttProvider, sttModel, endpointing, vocabulary } = settings;
  return {
    config: {
      lang: speechLang || "auto",
      // Left out, it is the server's choice.
      ...(sttProvider === "" ? {} : { provider: sttProvider }),
      ...(sttModel === "" ? {} : { model: sttModel }),
      ...(endpointing === "" ? {} : { endpointing }),
      vocabulary: vocabulary.slice(0, VOCABULARY_TERMS),
    },
    microphone: {
      deviceId: settings.microphone,
      echoCancellation: settings.echoCancellation,
      noiseSuppression: settings.noiseSuppression,
    },
    isHandsFree: endpointing === "hands_free",
  };
}
