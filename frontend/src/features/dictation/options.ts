/** Translates the settings of the page into the options of a dictation. */
import { MAX_VOCABULARY_TERMS, type Settings } from "@/shared/lib/settings";

import type { DictationOptions } from "./capture";

export function toDictationOptions(settings: Settings): DictationOptions {
  const { speechLang, sttProvider, sttModel, endpointing, vocabulary } = settings;
  return {
    config: {
      lang: speechLang || "auto",
      // A field that is left out is the server's choice.
      ...(sttProvider === "" ? {} : { provider: sttProvider }),
      ...(sttModel === "" ? {} : { model: sttModel }),
      ...(endpointing === "" ? {} : { endpointing }),
      vocabulary: vocabulary.slice(0, MAX_VOCABULARY_TERMS),
    },
    microphone: {
      deviceId: settings.microphone,
      echoCancellation: settings.echoCancellation,
      noiseSuppression: settings.noiseSuppression,
    },
    isHandsFree: endpointing === "hands_free",
  };
}
