/** The dictation of the page with its drafts, and the hooks that read it. */
import { createContext, useContext, useSyncExternalStore } from "react";

import type { Services } from "@/shared/services";

import { getSocketUrl } from "./client/messages";
import { ComposerStore } from "./composer/composer-store";
import type { ComposerModel } from "./composer/model";
import { Dictation, type DictationView } from "./dictation";
import { isBusy } from "./dictation-state";
import { Drafts } from "./drafts";
import { toDictationOptions } from "./options";

/** Both go on while components come and go. */
export interface DictationParts {
  dictation: Dictation;
  drafts: Drafts;
}

export const DictationContext = createContext<DictationParts | null>(null);

export function createDictation({ session, settings, unsent, openTabTexts }: Services): DictationParts {
  const dictation = new Dictation({
    composer: new ComposerStore(),
    connect: () => new WebSocket(getSocketUrl(location)),
    credentials: session,
    readOptions: (isHandsFree) => toDictationOptions(settings.get(), isHandsFree),
  });
  const drafts = new Drafts(dictation.composer, openTabTexts("prompter.drafts"));
  unsent.register("text", () => drafts.hasText); // also words that are not certain yet
  unsent.register("dictation", () => isBusy(dictation.get().state));
  return { dictation, drafts };
}

export function useDictation(): DictationParts {
  const parts = useContext(DictationContext);
  if (parts === null) throw new Error("useDictation needs a DictationContext around it");
  return parts;
}

export function useDictationView(dictation: Dictation): DictationView {
  return useSyncExternalStore(dictation.subscribe, dictation.get);
}

export function useComposerModel({ composer }: Dictation): ComposerModel {
  return useSyncExternalStore(composer.subscribe, composer.get);
}
