/** The dictation of the page with its drafts, and the hooks that read it. */
import { createContext, useContext, useSyncExternalStore } from "react";

import type { Services } from "@/shared/services";

import { getSocketUrl } from "./client/messages";
import { ComposerStore } from "./composer/composer-store";
import type { ComposerModel } from "./composer/model";
import { Dictation, type DictationView } from "./dictation";
import { isBusy } from "./dictation-state";
import { Drafts, NEW } from "./drafts";
import { toDictationOptions } from "./options";
import { UnsentSpeech } from "./unsent/unsent-speech";

/** All go on while components come and go. */
export interface DictationParts {
  dictation: Dictation;
  drafts: Drafts;
  unsent: UnsentSpeech;
}

export const DictationContext = createContext<DictationParts | null>(null);

export function createDictation(services: Services): DictationParts {
  const { session, settings, openTabTexts } = services;
  const unsent = new UnsentSpeech(services.readOwner);
  const dictation = new Dictation({
    composer: new ComposerStore(),
    unsent,
    readDraft: (): string => drafts.shown?.key ?? NEW,
    connect: () => new WebSocket(getSocketUrl(location)),
    credentials: session,
    readOptions: (isHandsFree) => toDictationOptions(settings.get(), isHandsFree),
  });
  const drafts = new Drafts(dictation.composer, openTabTexts("prompter.drafts"));
  services.unsent.register("text", () => drafts.hasText); // also words that are not certain yet
  services.unsent.register("dictation", () => isBusy(dictation.get().state));
  services.unsent.register("speech", () => unsent.get().length > 0);
  session.beforeLogOut(() => unsent.clear());
  return { dictation, drafts, unsent };
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
