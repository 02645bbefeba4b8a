/** The middle of the chat page: the messages, or why there are none. It follows an answer that grows. */
import { ArrowDown } from "lucide-react";
import { useEffect, useLayoutEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { Notice } from "@/shared/ui/notice";

import type { ConversationChat } from "../use-conversation-chat";
import type { Editing } from "../use-editing";
import { useFollowScroll } from "./follow-scroll";
import { MessageList } from "./message-list";
import { Welcome } from "./welcome";

interface Props {
  conversationId: string | null;
  /** A message to scroll to: what a search found. */
  messageId: string | null;
  chat: ConversationChat;
  editing: Editing;
  /** A suggestion was chosen. */
  onIdea: (text: string) => void;
  /** The field has a text. */
  hasText: boolean;
  /** A new conversation is asked for, which gets that text. */
  onNew: () => void;
}

export function ConversationView({ messageId, chat, onIdea, hasText, onNew, ...list }: Props) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { status, shown, live } = chat;
  const { conversationId } = list;
  const isBlank = status === "new" || (status === "loaded" && shown.length === 0);
  const place = `${conversationId} ${status}`;
  const { isAway, scrollToEnd, stopFollowing } = useFollowScroll(box, content, place, isBlank);
  useScrollToFound(messageId, chat, stopFollowing);
  const isSending = live?.phase === "sending";
  useEffect(() => {
    if (isSending) scrollToEnd(); // the user wants to see the message that they send
  }, [isSending, scrollToEnd]);
  return (
    <div className="relative min-h-0 flex-1" data-printed>
      <div
        ref={box}
        className="relative flex h-full flex-col overflow-y-auto overscroll-contain [scrollbar-gutter:stable_both-edges]"
      >
        <div ref={content} className="mx-auto flex w-full max-w-3xl flex-1 flex-col px-3 py-6 sm:px-4">
          {status === "loading" && <Skeleton label={t("common.loading")} />}
          {status === "failed" && <Notice text={t("chat.loadFailed")} onRetry={chat.refetch} />}
          {status === "gone" && <GoneNotice hasText={hasText} onNew={onNew} />}
          {isBlank && <Welcome onIdea={onIdea} />}
          {shown.length > 0 && (
            <MessageList
              key={conversationId}
              box={box}
              shown={shown}
              foundId={messageId}
              live={live}
              actions={chat.actions}
              editing={list.editing}
            />
          )}
        </div>
      </div>
      <div
        aria-hidden
        className="pointer-events-none absolute inset-x-4 bottom-0 h-6 bg-gradient-to-t from-page"
      />
      {isAway && !isBlank && <NewestButton onClick={scrollToEnd} />}
    </div>
  );
}

function GoneNotice({ hasText, onNew }: { hasText: boolean; onNew: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="m-auto space-y-4 text-center">
      <div role="alert" className="text-muted">
        <p>{t("chat.notThere")}</p>
        {hasText && <p>{t("chat.goneText")}</p>}
      </div>
      <button type="button" className="button-brand" onClick={onNew}>
        {t(hasText ? "chat.takeAlong" : "chat.startNew")}
      </button>
    </div>
  );
}

function NewestButton({ onClick }: { onClick: () => void }) {
  const { t } = useTranslation();
  return (
    <button
      type="button"
      className="absolute bottom-3 left-1/2 z-10 grid size-[44px] -translate-x-1/2 place-items-center rounded-full border border-line bg-surface shadow-lg hover:bg-raised"
      aria-label={t("chat.newest")}
      title={t("chat.newest")}
      onClick={onClick}
    >
      <ArrowDown size={18} aria-hidden />
    </button>
  );
}

function Skeleton({ label }: { label: string }) {
  return (
    <div role="status" className="animate-pulse space-y-6">
      <span className="sr-only">{label}</span>
      <div className="ml-auto h-11 w-2/5 rounded-2xl bg-raised" />
      <div className="space-y-3">
        <div className="h-4 w-11/12 rounded bg-raised" />
        <div className="h-4 w-4/5 rounded bg-raised" />
        <div className="h-4 w-3/5 rounded bg-raised" />
      </div>
    </div>
  );
}

type FoundChat = Pick<ConversationChat, "status" | "shown" | "actions" | "isAnswering">;

/** Scroll to the message that a search found, once. A message on another branch is shown first. */
function useScrollToFound(
  messageId: string | null,
  { status, shown, actions, isAnswering }: FoundChat,
  stopFollowing: () => void,
): void {
  /** The message that was scrolled to or asked for: after that the reader moves freely. */
  const handledId = useRef<string | null>(null);
  const isShown = messageId !== null && shown.some(({ id }) => id === messageId);

  useLayoutEffect(() => {
    if (!isShown) return;
    handledId.current = messageId;
    stopFollowing();
    const element = document.getElementById(`m-${messageId}`);
    const isTall = element !== null && element.offsetHeight > innerHeight / 2; // read from its beginning
    element?.scrollIntoView({ block: isTall ? "start" : "center" });
    element?.focus({ preventScroll: true });
  }, [isShown, messageId, stopFollowing]);

  useEffect(() => {
    if (messageId === null) handledId.current = null;
    if (messageId === null || isShown || handledId.current === messageId) return;
    if (status !== "loaded" || isAnswering) return;
    handledId.current = messageId;
    actions?.show(messageId);
  }, [messageId, isShown, status, isAnswering, actions]);
}
