/** The state of a dictation, for components. */

import { useSyncExternalStore } from "react";

import type { ComposerModel } from "../composer/model";
import type { Dictation, DictationView } from "../dictation";

export function useDictationView(dictation: Dictation): DictationView {
  return useSyncExternalStore(dictation.subscribe, dictation.get);
}

export function useComposerModel({ composer }: Dictation): ComposerModel {
  return useSyncExternalStore(composer.subscribe, composer.get);
}
