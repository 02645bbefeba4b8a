/** All that the chat's composer gets from dictation: the field, the microphone, its state, and the text to send. */

import {
  type KeyboardEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
} from "react";
import { useTranslation } from "react-i18next";

import { DictationControls } from "../components/dictation-controls";
import { DictationStatus } from "../components/dictation-status";
import { ComposerField } from "../composer/composer-field";
import { isBusy, isRecording } from "../dictation-state";
import { restoreText, takeText } from "../draft";
import * as page from "../the-dictation";
import { useAutoSend } from "./use-auto-send";
import { useComposerModel, useDictationView } from "./use-dictation";
import { useDictationKeys } from "./use-dictation-keys";
import { useWakeLock } from "./use-wake-lock";

interface DictationComposer {
  draft: {
    isEmpty: boolean;
    take: () => Promise<{ text: string; whole: boolean }>;
    restore: (text: string) => void;
    focus: () => void;
  };
  field: ReactNode;
  microphone: ReactNode;
  below: ReactNode;
  /** To be called when the chat takes texts again. */
  whenFree: () => void;
}

type Parts = Pick<typeof page, "dictation" | "drafts">;

/** @param conversationId whose draft is composed; null for one that is not made yet */
export function useDictationComposer(
  conversationId: string | null,
  { dictation, drafts }: Parts = page,
): DictationComposer {
  const { t } = useTranslation();
  const field = useRef<HTMLTextAreaElement>(null);
  const { state } = useDictationView(dictation);
  const { text } = useComposerModel(dictation);
  const isSpeaking = state.kind === "finishing" || (state.kind === "listening" && state.isSpeaking);
  const isEmpty = text.trim() === "" && !isSpeaking;
  useDictationKeys(dictation);
  useWakeLock(isRecording(state));
  useEffect(() => () => void dictation.stop(), [dictation]); // nobody is listened to whom nothing tells
  const { whenFree, drop } = useAutoSend(
    dictation,
    useCallback(() => field.current?.form?.requestSubmit(), []),
  );
  // Before the chat hears of the other conversation, and takes a text for it.
  useLayoutEffect(() => {
    drop();
    drafts.show(conversationId, isBusy(dictation.get().state));
  }, [conversationId, dictation, drafts, drop]);
  const draft = useMemo(
    () => ({
      isEmpty,
      take: () => {
        drop();
        drafts.taken();
        return takeText(dictation);
      },
      restore: (back: string) => {
        drafts.restored();
        restoreText(dictation, back);
      },
      focus: () => field.current?.focus(),
    }),
    [dictation, drafts, drop, isEmpty],
  );
  return {
    draft,
    field: (
      <div className="max-h-[40vh] overflow-y-auto px-2 py-2">
        <ComposerField
          ref={field}
          composer={dictation.composer}
          label={t("chat.composer")}
          placeholder={t("chat.placeholder")}
          onKeyDown={submitOnEnter}
        />
      </div>
    ),
    microphone: <DictationControls dictation={dictation} />,
    below: <DictationStatus dictation={dictation} />,
    whenFree,
  };
}

/** Enter sends and Shift+Enter does not; nor does the Enter that ends a composition (Japanese, accents). */
function submitOnEnter(event: KeyboardEvent<HTMLTextAreaElement>): void {
  if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}
