/** Translates the settings of the page into the options of a dictation. */
import { MAX_SPOKEN_LANGS, MAX_VOCABULARY_TERMS, type Settings } from "@/shared/lib/settings";

import type { DictationOptions } from "./capture";
import type { StartConfig } from "./client/messages";

/** The limit of `start.config.likely_langs`. */
const MAX_LIKELY_LANGS = 32;

/** One language is certain. Of several, or of all, the engine chooses; those of the browser are likely. */
function toLanguages(spoken: readonly string[]): StartConfig {
  const [only] = spoken;
  if (only !== undefined && spoken.length === 1) return { lang: only };
  const likely_langs = navigator.languages.slice(0, MAX_LIKELY_LANGS);
  return { lang: "auto", langs: spoken.slice(0, MAX_SPOKEN_LANGS), likely_langs };
}

/** @param isHandsFree each pause sends: utterances end by themselves */
export function toDictationOptions(settings: Settings, isHandsFree = false): DictationOptions {
  const { sttProvider, sttModel, vocabulary } = settings;
  const endpointing =
    isHandsFree && settings.endpointing === "manual" ? "conversation" : settings.endpointing;
  return {
    config: {
      ...toLanguages(settings.spokenLangs),
      words: settings.marksDoubt,
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
    endsUtterances: endpointing !== "manual",
  };
}
