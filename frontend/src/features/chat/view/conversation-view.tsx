/** What stands between head and composer: the messages, or why there are none. It follows an answer that grows. */
import { ArrowDown } from "lucide-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { Notice } from "../messages/answer-notice";
import { MessageList } from "../messages/message-list";
import type { useConversationChat } from "../use-conversation-chat";
import { useFollowScroll } from "./use-follow-scroll";
import { useFound } from "./use-found";
import { Welcome } from "./welcome";

interface Props {
  conversationId: string | null;
  messageId: string | null;
  chat: ReturnType<typeof useConversationChat>;
  editedId: string | null;
  onEdit: (id: string | null) => void;
  onIdea: (text: string) => void;
  onNew: () => void;
}

export function ConversationView({
  conversationId,
  messageId,
  chat,
  editedId,
  onEdit,
  onIdea,
  onNew,
}: Props) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isBlank = chat.status === "new" || (chat.status === "there" && chat.shown.length === 0);
  const { away, toEnd, stay } = useFollowScroll(box, content, `${conversationId} ${chat.status}`, isBlank);
  useFound(messageId, chat, stay);
  const isAsking = chat.live?.phase === "sending";
  useEffect(() => {
    if (isAsking) toEnd(); // whoever says something wants to see it
  }, [isAsking, toEnd]);
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={box}
        className="flex h-full flex-col overflow-y-auto overscroll-contain [scrollbar-gutter:stable_both-edges]"
      >
        <div ref={content} className="mx-auto flex w-full max-w-3xl flex-1 flex-col px-3 py-6 sm:px-4">
          {chat.status === "loading" && <Skeleton label={t("common.loading")} />}
          {chat.status === "failed" && <Notice text={t("chat.loadFailed")} onRetry={chat.retry} />}
          {chat.status === "gone" && (
            <div className="m-auto space-y-4 text-center">
              <p className="text-muted">{t("chat.notThere")}</p>
              <button type="button" className="button-brand" onClick={onNew}>
                {t("chat.startNew")}
              </button>
            </div>
          )}
          {isBlank && <Welcome onIdea={onIdea} />}
          {chat.shown.length > 0 && (
            <MessageList
              key={conversationId}
              box={box}
              shown={chat.shown}
              foundId={messageId}
              live={chat.live}
              actions={chat.actions}
              editedId={editedId}
              onEdit={onEdit}
            />
          )}
        </div>
      </div>
      <div
        aria-hidden
        className="pointer-events-none absolute inset-x-4 bottom-0 h-6 bg-gradient-to-t from-page"
      />
      {away && !isBlank && (
        <button
          type="button"
          className="absolute bottom-3 left-1/2 z-10 grid h-10 w-10 -translate-x-1/2 place-items-center rounded-full border border-line bg-surface shadow-lg hover:bg-raised"
          aria-label={t("chat.newest")}
          title={t("chat.newest")}
          onClick={toEnd}
        >
          <ArrowDown size={18} aria-hidden />
        </button>
      )}
    </div>
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
