/** After a dictation, while its text stands as it came: a quiet way to have it heard again. */
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { useTranslation } from "react-i18next";

import { useMySettings } from "@/shared/api/kept-audio";
import { keys } from "@/shared/api/queries";
import type { StoredDictationDetail } from "@/shared/api/types";
import { useServices } from "@/shared/services";

import { findDictated } from "../composer/heard-again";
import type { Dictation, EndedDictation } from "../dictation";
import { useComposerModel, useDictationView } from "../dictation-context";

/** The dialog in which a dictation is heard again, a component of another feature. */
export type RenderRedo = (props: {
  dictationId: string;
  before: Pick<StoredDictationDetail, "text" | "lang" | "provider" | "model">;
  use?: { label: string; run: (text: string) => void };
  onClose: () => void;
}) => ReactNode;

interface RedoOfferProps {
  dictation: Dictation;
  renderRedo: RenderRedo;
  /** Called once the text is replaced, to focus the field. */
  onReplaced: () => void;
}

export function RedoOffer({ dictation, renderRedo, onReplaced }: RedoOfferProps) {
  const { state, ended } = useDictationView(dictation);
  if (state.kind !== "idle" || ended === null) return null;
  return <Offer key={ended.id} {...{ dictation, ended, renderRedo, onReplaced }} />;
}

/** The sound is put away just after the last words are stored. */
const LOOK_MS = 1000;
const LOOKS = 4;

/** @param isWanted false where no text is left: the server has no dictation in which nothing was said */
function useKeptDictation(id: string, isWanted: boolean): StoredDictationDetail | null {
  const { api } = useServices();
  const { data: settings } = useMySettings();
  const { data } = useQuery({
    enabled: isWanted && settings !== undefined && settings.keep_audio && settings.audio_hours > 0,
    queryKey: keys.dictation(id),
    queryFn: () => api.json<StoredDictationDetail>(`/api/dictations/${encodeURIComponent(id)}`),
    staleTime: 0,
    refetchInterval: ({ state }) =>
      state.data?.audio || state.dataUpdateCount + state.errorUpdateCount >= LOOKS ? false : LOOK_MS,
    retry: false,
  });
  return data?.audio ? data : null;
}

function Offer({
  dictation,
  ended,
  renderRedo: Redo,
  onReplaced,
}: RedoOfferProps & { ended: EndedDictation }) {
  const { t } = useTranslation();
  const { announcements } = useServices();
  const [isOpen, setOpen] = useState(false);
  const hasReplaced = useRef(false);
  const place = findDictated(useComposerModel(dictation), ended.name);
  const kept = useKeptDictation(ended.id, place !== null);
  // Once the dialog is closed: it gives the focus back to where it was before.
  useEffect(() => {
    if (isOpen || !hasReplaced.current) return;
    hasReplaced.current = false;
    onReplaced();
  }, [isOpen, onReplaced]);
  if (kept === null || (place === null && !isOpen)) return null;
  const replace = (text: string): void => {
    dictation.composer.dispatch({ type: "heard_again", dictation: ended.name, text });
    announcements.say(t("redo.replaced"), "redo");
    hasReplaced.current = true;
  };
  return (
    <div className="flex justify-center px-2 text-xs">
      <button
        type="button"
        className="rounded-md px-1 pt-1 touch:min-h-target text-muted underline underline-offset-4 hover:text-ink"
        onClick={() => setOpen(true)}
      >
        {t("redo.offer")}
      </button>
      {isOpen &&
        // Outside of the composer's form: the dialog has its own.
        createPortal(
          <div onSubmit={(event) => event.stopPropagation()}>
            <Redo
              dictationId={ended.id}
              before={{ ...kept, text: place?.text ?? kept.text }}
              {...(place === null ? {} : { use: { label: t("redo.replace"), run: replace } })}
              onClose={() => setOpen(false)}
            />
          </div>,
          document.body,
        )}
    </div>
  );
}
