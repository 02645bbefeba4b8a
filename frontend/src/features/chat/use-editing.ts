/** Which message is edited, and its half-written text: kept in this tab over other pages and a reload. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import type { TabTexts } from "@/shared/lib/tab-texts";
import { useServices } from "@/shared/services";

import type { Draft } from "./components/draft";
import type { ShownMessage } from "./stream/shown-messages";
import type { ConversationChat } from "./use-conversation-chat";

/** How long a dropped edit can be brought back. */
const UNDO_MS = 10_000;

export interface Editing {
  /** The message that is edited. */
  id: string | null;
  /** Start to edit a message; null ends it and forgets the text. */
  start: (id: string | null) => void;
  /** End it without sending; what was written can be brought back for a while. */
  drop: () => void;
  /** The half-written text; "" where nothing was changed. */
  read: () => string;
  keep: (text: string) => void;
}

/** Whether the field that edits `id` stands at this message: it is that message, or another version of it. */
export function isEditedAt({ id, version_ids, role }: ShownMessage, editedId: string | null): boolean {
  return editedId !== null && role === "user" && (id === editedId || version_ids.includes(editedId));
}

/** Whether the user has gone on to something else than the edit. */
function isElsewhere(): boolean {
  const at = document.activeElement;
  return at !== null && at !== document.body && at.closest("[data-edit]") === null;
}

/** Another conversation shows the edit that was begun there last, and its composer gets the focus. */
export function useEditing(conversationId: string | null, messageId: string | null, draft: Draft): Editing {
  const { t } = useTranslation();
  const { edits, toasts } = useServices();
  const [id, setId] = useState<string | null>(null);
  const focus = useRef(draft.focus);
  useEffect(() => void (focus.current = draft.focus));
  useEffect(() => {
    const place = conversationId === null ? undefined : findPlaces(edits, conversationId).at(-1);
    setId(place?.split("/")[1] ?? null);
    if (messageId === null) focus.current();
    // Another message of the same conversation does not move the focus.
    // eslint-disable-next-line react-hooks/exhaustive-deps -- see the comment above
  }, [conversationId]);
  const place = `${conversationId}/${id}`;
  // The same object until another message is edited: typing must not render the messages again.
  // A field that finds nothing focused takes the focus: see EditMessage.
  const start = useCallback(
    (next: string | null) => {
      if (next === null) edits.set(place, "");
      setId(next);
      if (next === null) {
        if (!isElsewhere()) focus.current(); // it may take a while until an edit is stored
      } else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    },
    [edits, place],
  );
  const shownId = useRef(conversationId);
  useEffect(() => void (shownId.current = conversationId));
  const drop = useCallback(() => {
    const text = edits.get(place);
    start(null);
    if (text === "") return;
    const bringBack = (): void => {
      edits.set(place, text); // shown whenever its conversation is
      if (shownId.current === conversationId) setId(id);
    };
    toasts.show({
      text: t("chat.editDropped"),
      tone: "info",
      action: { label: t("common.undo"), run: bringBack },
      stayMs: UNDO_MS,
    });
  }, [edits, place, start, toasts, t, conversationId, id]);
  return useMemo(
    () => ({ id, start, drop, read: () => edits.get(place), keep: (text) => edits.set(place, text) }),
    [id, start, drop, edits, place],
  );
}

/** The half-written edits of a conversation that is gone come into the field. */
export function useRescuedEdits(id: string | null, { status }: ConversationChat, { restore }: Draft): void {
  const { edits } = useServices();
  useEffect(() => {
    if (status !== "gone" || id === null) return;
    for (const place of findPlaces(edits, id)) {
      restore(edits.get(place));
      edits.set(place, "");
    }
  }, [status, id, edits, restore]);
}

function findPlaces(edits: TabTexts, conversationId: string): string[] {
  return edits.places().filter((place) => place.startsWith(`${conversationId}/`));
}
