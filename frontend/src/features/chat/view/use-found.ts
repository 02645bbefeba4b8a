/** Takes the reader to the message that a search found; where another branch is shown, to that of the message first. */
import { useEffect, useLayoutEffect, useRef } from "react";

import type { useConversationChat } from "../use-conversation-chat";

type Chat = Pick<ReturnType<typeof useConversationChat>, "status" | "shown" | "actions" | "isAnswering">;

/** `stay`: the end of the conversation is not followed from there. */
export function useFound(
  messageId: string | null,
  { status, shown, actions, isAnswering }: Chat,
  stay: () => void,
): void {
  /** Once for each: a reader who has been there goes where they like. */
  const asked = useRef<string | null>(null);
  const isShown = messageId !== null && shown.some(({ id }) => id === messageId);

  useLayoutEffect(() => {
    if (!isShown) return;
    asked.current = messageId;
    stay();
    const place = document.getElementById(`m-${messageId}`);
    const isTall = place !== null && place.offsetHeight > innerHeight / 2; // it is read from its beginning
    place?.scrollIntoView({ block: isTall ? "start" : "center" });
    place?.focus({ preventScroll: true });
  }, [isShown, messageId, stay]);

  useEffect(() => {
    if (messageId === null) asked.current = null;
    if (messageId === null || isShown || status !== "there" || isAnswering || asked.current === messageId)
      return;
    asked.current = messageId;
    actions?.show(messageId);
  }, [messageId, isShown, status, isAnswering, actions]);
}
