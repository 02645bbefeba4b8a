/** A conversation, or the beginning of one. */
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { useSettings } from "@/shared/settings/store";
import { toasts } from "@/shared/ui/toasts";

import "./chat.css";
import { Composer } from "./composer/composer";
import type { Draft } from "./composer/draft";
import { PlainField } from "./composer/plain-field";
import { Refusal } from "./composer/refusal";
import { usePlainDraft } from "./composer/use-plain-draft";
import { AssistantNote } from "./head/assistant-note";
import { ChatHeader } from "./head/chat-header";
import { copyText } from "./parts/copy-text";
import { useChatKeys } from "./use-chat-keys";
import { useConversationChat } from "./use-conversation-chat";
import { ConversationView } from "./view/conversation-view";

/** What dictation puts into the composer. */
export interface ComposerParts {
  draft: Draft;
  field: ReactNode;
  microphone: ReactNode;
  below?: ReactNode;
  /** Told when a text can be sent again: what was due during an answer may go now. */
  whenFree?: () => void;
}

interface Props {
  /** Null: nothing has been said yet; the first message makes the conversation and goes to `#/c/<id>`. */
  conversationId: string | null;
  /** One to be brought into sight: what a search found. */
  messageId?: string | null;
  /** Without it, one can only type. */
  composer?: ComposerParts;
}

export function ChatPage({ conversationId, messageId = null, composer }: Props) {
  const { t } = useTranslation();
  const [, go] = useLocation();
  const [goTo] = useState(() => (id: string) => go(`/c/${id}`));
  const [{ chatModel }, change] = useSettings();
  const plain = usePlainDraft();
  const draft = composer?.draft ?? plain.draft;
  const chat = useConversationChat(conversationId, goTo);
  const [editedId, setEditedId] = useState<string | null>(null);
  const [isTaking, setTaking] = useState(false);
  const model = conversationId === null ? chatModel : (chat.conversation?.model ?? "");
  const last = (role: string) => chat.shown.findLast((message) => message.role === role);

  useEffect(() => {
    setEditedId(null);
    if (messageId === null) draft.focus();
    // Only another conversation takes the focus, not another word.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [conversationId]);
  useEffect(() => {
    document.title = chat.title ? `${chat.title} · PROMPTer` : "PROMPTer";
  }, [chat.title]);

  const focus = useRef(draft.focus);
  useEffect(() => void (focus.current = draft.focus));
  // One for ever: no message is drawn anew for a word that is typed.
  const onEdit = useCallback((id: string | null) => {
    setEditedId(id);
    if (id === null) focus.current();
  }, []);

  const send = async (): Promise<void> => {
    if (chat.isAnswering || chat.isMaking || isTaking) return;
    setTaking(true);
    const { text, whole } = await draft.take().finally(() => setTaking(false));
    if (text.trim() === "") return;
    if (!(await chat.say(text, model))) return draft.restore(text);
    if (!whole) toasts.show({ text: t("chat.partial"), tone: "info" });
  };

  const isFree = !chat.isAnswering && !chat.isMaking && !isTaking;
  const whenFree = composer?.whenFree;
  useEffect(() => {
    if (isFree) whenFree?.();
  }, [isFree, whenFree]);

  useChatKeys({
    stop: () => {
      if (chat.isAnswering) chat.stop();
      return chat.isAnswering;
    },
    compose: () => draft.focus(),
    again: () => {
      const answer = last("assistant");
      if (answer && !chat.isAnswering) chat.actions?.again(answer);
    },
    approval: () => {
      const card = document.querySelector<HTMLElement>("[data-approval] button:enabled");
      card?.focus();
      return card !== null;
    },
    copyAnswer: () => {
      const answer = last("assistant");
      if (!answer) return;
      void copyText(answer.content).then(
        () => toasts.show({ text: t("common.copied"), tone: "info" }),
        () => toasts.show({ text: t("chat.copyFailed"), tone: "error" }),
      );
    },
  });

  const editLast = (event: KeyboardEvent): void => {
    const own = last("user");
    if (event.key !== "ArrowUp" || !draft.isEmpty || !own || chat.isAnswering) return;
    if (!(event.target instanceof HTMLTextAreaElement) || event.target.value !== "") return;
    event.preventDefault();
    setEditedId(own.id);
  };

  return (
    <section aria-label={t("chat.region")} className="flex min-h-0 flex-1 flex-col">
      <ChatHeader
        conversationId={chat.status === "gone" ? null : conversationId}
        title={chat.title}
        model={model}
        onModel={conversationId === null ? (chosen) => change({ chatModel: chosen }) : chat.setModel}
      />
      <AssistantNote model={model} isNew={chat.shown.length === 0} />
      <ConversationView
        conversationId={conversationId}
        messageId={messageId}
        chat={chat}
        editedId={editedId}
        onEdit={onEdit}
        onIdea={(text) => {
          draft.restore(text);
          draft.focus();
        }}
        onNew={() => go("/")}
      />
      {chat.problem && <Refusal problem={chat.problem} onDismiss={chat.dismiss} />}
      <div onKeyDown={editLast}>
        <Composer
          field={
            composer?.field ?? <PlainField field={plain.field} text={plain.text} onText={plain.setText} />
          }
          microphone={composer?.microphone}
          below={composer?.below}
          isEmpty={draft.isEmpty}
          isAnswering={chat.isAnswering}
          isTaking={isTaking}
          isMaking={chat.isMaking}
          isStopping={chat.live?.stopping ?? false}
          onSend={() => void send()}
          onStop={chat.stop}
        />
      </div>
    </section>
  );
}
