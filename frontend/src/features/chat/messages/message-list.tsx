/** The messages, oldest first. Screen readers are told when an answer begins and what it said, not every word. */
import { memo, type RefObject, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import type { LiveAnswer } from "../stream/live-answer";
import { ApprovalAnnouncer } from "../tools/approval-announcer";
import type { ConversationActions } from "../use-conversation-chat";
import { MessageItem } from "./message-item";
import { isSettled, type Shown } from "./shown-messages";
import { useEarlier } from "./use-earlier";

interface Props {
  /** What the messages scroll in. */
  box: RefObject<HTMLElement | null>;
  shown: readonly Shown[];
  /** What a search found. */
  foundId: string | null;
  live: LiveAnswer | null;
  actions: ConversationActions | null;
  editedId: string | null;
  onEdit: (id: string | null) => void;
}

const FOUND = "scroll-mt-6 rounded-2xl outline outline-2 outline-offset-8 outline-accent/60";

export const MessageList = memo(function MessageList({
  box,
  shown,
  foundId,
  live,
  actions,
  editedId,
  onEdit,
}: Props) {
  const { t } = useTranslation();
  const { hidden, edge, showMore } = useEarlier(
    shown.length,
    box,
    shown.findIndex(({ id }) => id === foundId),
  );
  return (
    <>
      {hidden > 0 && (
        <button ref={edge} type="button" className="button mx-auto mb-6" onClick={showMore}>
          {t("chat.earlier")}
        </button>
      )}
      <ol aria-label={t("chat.messages")} className="space-y-6">
        {shown.slice(hidden).map((message) => (
          <li
            key={message.id}
            id={`m-${message.id}`}
            tabIndex={message.id === foundId ? -1 : undefined}
            className={message.id === foundId ? FOUND : undefined}
          >
            <MessageItem
              message={message}
              isSettled={isSettled(message, live)}
              actions={actions}
              isEdited={editedId === message.id}
              onEdit={onEdit}
            />
          </li>
        ))}
      </ol>
      <Announcer shown={shown} />
      <ApprovalAnnouncer message={shown.at(-1)} />
    </>
  );
});

const SPOKEN_CHARS = 1000;

/** Tells that an answer comes, and its text when it is whole. */
function Announcer({ shown }: { shown: readonly Shown[] }) {
  const { t } = useTranslation();
  const last = shown.at(-1);
  const isStreaming = last?.role === "assistant" && last.status === "streaming";
  const wasStreaming = useRef(false);
  const [said, setSaid] = useState("");
  const content = last?.content ?? "";
  useEffect(() => {
    if (isStreaming && !wasStreaming.current) setSaid(t("chat.answering"));
    if (!isStreaming && wasStreaming.current)
      setSaid(t("chat.answered", { text: content.slice(0, SPOKEN_CHARS) }));
    wasStreaming.current = isStreaming;
  }, [isStreaming, content, t]);
  return (
    <div role="status" aria-live="polite" className="sr-only">
      {said}
    </div>
  );
}
