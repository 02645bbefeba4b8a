/** The parts of the chat's composer that dictation provides: draft, field, microphone and status. */
import {
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "react";
import { useTranslation } from "react-i18next";

import { submitOnEnter } from "@/shared/lib/keyboard";
import { useServices, useSettings } from "@/shared/services";

import { ComposerField } from "../composer/composer-field";
import { useComposerModel, useDictation, useDictationView } from "../dictation-context";
import { isRecording } from "../dictation-state";
import { type Draft, insertText, type TakenText, takeText } from "../drafts";
import type { ChatProgress } from "../hands-free/hands-free";
import { DictationControls } from "./dictation-controls";
import { DictationElsewhere } from "./dictation-elsewhere";
import { DictationStatus } from "./dictation-status";
import { HandsFreeStatus } from "./hands-free-status";
import { MarkedPlaces } from "./marked-places";
import { useDictationKeys } from "./push-to-talk";
import { RedoOffer, type RenderRedo } from "./redo-offer";
import { UnsentSpeechList } from "./unsent-speech";
import { useAutoSend } from "./use-auto-send";
import { useHandsFree, useReadingState } from "./use-hands-free";
import { useWakeLock } from "./use-wake-lock";

interface DictationComposer {
  draft: {
    isEmpty: boolean;
    /** `hasFiles`: there is something to send without words, too. */
    take: (hasFiles?: boolean) => Promise<TakenText>;
    restore: (text: string) => void;
    focus: () => void;
    isAutomatic: () => boolean;
    moveToNew: () => void;
    /** Send nothing by itself until something is said again: the user has decided against it. */
    holdBack: () => void;
    /** Write a text at the caret of the draft that is shown now, also if another one is by then. */
    mark: () => (text: string) => void;
  };
  field: ReactNode;
  microphone: ReactNode;
  below: ReactNode;
  /** To be called when the chat accepts texts again. */
  onReady: () => void;
  /** To be called when something of the chat has changed. */
  onProgress: (chat: ChatProgress) => void;
}

/**
 * @param conversationId the conversation whose draft is composed; null for a new one
 * @param renderRedo draws the dialog in which a dictation is heard again
 */
export function useDictationComposer(
  conversationId: string | null,
  renderRedo: RenderRedo = () => null,
): DictationComposer {
  const { dictation, drafts, unsent } = useDictation();
  const { t } = useTranslation();
  const [{ marksDoubt }] = useSettings();
  const field = useRef<HTMLTextAreaElement>(null);
  const { state } = useDictationView(dictation);
  const { text } = useComposerModel(dictation);
  const elsewhere = useSyncExternalStore(dictation.composer.subscribe, () => drafts.findElsewhere(dictation));
  const isSpeaking =
    elsewhere === null && (state.kind === "finishing" || (state.kind === "listening" && state.isSpeaking));
  const isEmpty = text.trim() === "" && !isSpeaking;
  const isAutomatic = useRef(false);
  const send = useCallback(() => {
    isAutomatic.current = true;
    field.current?.form?.requestSubmit();
    isAutomatic.current = false;
  }, []);
  const handsFree = useHandsFree(dictation, send); // before the keys: it has its own Escape
  const focus = useCallback(() => field.current?.focus(), []);
  useDictationKeys(dictation, focus); // what was said stands in the field: Enter sends it
  const isReading = useReadingState(handsFree) === "reading";
  useWakeLock(isRecording(state) || isReading);
  const { announcements } = useServices();
  const isMicrophoneOpen = isRecording(state) && !("isMuted" in state && state.isMuted);
  useEffect(() => (isMicrophoneOpen ? announcements.hold() : undefined), [isMicrophoneOpen, announcements]);
  useEffect(() => () => void dictation.stop(), [dictation]); // stop the microphone when its UI unmounts
  const { onReady, reset } = useAutoSend(dictation, send);
  // A layout effect runs before the effects of the chat, which may send a text for the new conversation.
  useLayoutEffect(() => {
    reset();
    drafts.show(conversationId);
  }, [conversationId, dictation, drafts, reset]);
  const draft = useMemo(() => {
    /** Where the text was that is being sent: it returns there, wherever the user is by then. */
    let taken: Draft | null = null;
    return {
      isEmpty,
      take: async (hasFiles = false) => {
        const isSettled = handsFree.isSending;
        reset();
        handsFree.handleTaken();
        taken = drafts.shown;
        const found = await takeText(dictation, isSettled);
        if (found.text.trim() !== "" || (hasFiles && !found.isCancelled)) drafts.handleTaken(taken);
        return found;
      },
      restore: (unsent: string) => {
        drafts.restore(taken, unsent);
        taken = null;
      },
      focus,
      isAutomatic: () => isAutomatic.current,
      moveToNew: () => drafts.moveShown(null),
      holdBack: () => {
        reset();
        handsFree.stop();
      },
      mark: () => {
        const page = dictation.composer.shown;
        return (text: string) => insertText(dictation.composer, text, page);
      },
    };
    // A send keeps the draft that it began with: another conversation has another one.
    // eslint-disable-next-line react-hooks/exhaustive-deps -- see the comment above
  }, [dictation, drafts, handsFree, reset, focus, isEmpty, conversationId]);
  return {
    draft,
    field: (
      <div className="max-h-[40vh] overflow-y-auto px-2 short:max-h-[25vh]">
        <ComposerField
          ref={field}
          composer={dictation.composer}
          label={t("chat.composer")}
          placeholder={t("chat.placeholder")}
          marksDoubt={marksDoubt}
          onKeyDown={submitOnEnter}
        />
      </div>
    ),
    microphone: <DictationControls dictation={dictation} handsFree={handsFree} onMouse={focus} />,
    below: (
      <>
        <UnsentSpeechList dictation={dictation} unsent={unsent} onGo={focus} />
        <MarkedPlaces dictation={dictation} onGo={focus} />
        <RedoOffer dictation={dictation} renderRedo={renderRedo} onReplaced={focus} />
        <HandsFreeStatus dictation={dictation} handsFree={handsFree} />
        {elsewhere !== null && <DictationElsewhere conversation={elsewhere} />}
        <DictationStatus dictation={dictation} handsFree={handsFree} />
      </>
    ),
    onReady,
    onProgress: handsFree.handleChat,
  };
}
