/** What waits in the shown conversation for the end of an answer, and how what was not sent returns. */
import { useEffect, useSyncExternalStore } from "react";

import { useMessageQueueStore } from "./answers-context";
import type { Draft } from "./components/draft";
import type { QueuedMessage, Unsent } from "./stream/message-queue";

export interface ShownQueue {
  messages: readonly QueuedMessage[];
  add: (message: Unsent, model: string) => void;
  /** Take one back into the field, the last one without an id; false where none waits. */
  takeBack: (id?: string) => boolean;
}

export function useMessageQueue(conversationId: string | null, draft: Draft): ShownQueue {
  const queue = useMessageQueueStore();
  const messages = useSyncExternalStore(queue.subscribe, () => queue.list(conversationId));
  const hasReturned = useSyncExternalStore(queue.subscribe, () => queue.hasReturned(conversationId));
  useEffect(() => {
    queue.wake(); // after a reload nobody else does
    addEventListener("online", queue.wake);
    return () => removeEventListener("online", queue.wake);
  }, [queue]);
  const { restore } = draft;
  useEffect(() => {
    if (!hasReturned) return;
    const unsent = queue.takeReturned(conversationId);
    if (unsent !== null) restore(unsent.text, unsent.files);
  }, [queue, hasReturned, conversationId, restore]);
  return {
    messages,
    add: ({ text, files }, model) => {
      if (conversationId !== null) queue.add(conversationId, text, model, files);
    },
    takeBack: (id) => {
      const unsent = conversationId === null ? null : queue.takeBack(conversationId, id);
      if (unsent === null) return false;
      draft.restore(unsent.text, unsent.files);
      draft.focus();
      return true;
    },
  };
}
