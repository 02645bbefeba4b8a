/** The page of one conversation: joins header, messages and composer. */
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { useServices, useSettings } from "@/shared/services";

import { ChatHeader } from "./components/chat-header";
import { Composer, type ComposerState, Refusal } from "./components/composer";
import { ConversationView } from "./components/conversation-view";
import { type Draft, PlainField, usePlainDraft } from "./components/draft";
import { ModelNote } from "./components/model-note";
import { useChatShortcuts } from "./use-chat-shortcuts";
import { type ConversationChat, useConversationChat } from "./use-conversation-chat";
import { type ChatProgress, useProgress } from "./use-progress";

/** What dictation puts into the composer. */
export interface ComposerParts {
  draft: Draft;
  field: ReactNode;
  microphone: ReactNode;
  below?: ReactNode;
  /** Called when a text can be sent again, so that one that was due during an answer is sent. */
  onReady?: () => void;
  /** Called when something of this has changed. The same function for every render. */
  onProgress?: (progress: ChatProgress) => void;
}

interface Props {
  /** Null: the first message creates the conversation, and the page goes to `#/c/<id>`. */
  conversationId: string | null;
  /** A message to scroll to: what a search found. */
  messageId?: string | null;
  /** Without it, text can only be typed. */
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
  const model = conversationId === null ? chatModel : chat.model;
  const { state, send } = useSendDraft(chat, draft, model, composer?.onReady);
  useProgress(conversationId, chat, state === "ready", composer?.onProgress);
  const { editedId, onEdit } = useEditing(conversationId, messageId, draft);
  useChatShortcuts(chat, draft);
  useEffect(() => {
    document.title = chat.title ? `${chat.title} · PROMPTer` : "PROMPTer";
  }, [chat.title]);

  /** Arrow up in the empty field edits the last message. */
  const editLast = (event: KeyboardEvent): void => {
    const last = chat.shown.findLast((message) => message.role === "user");
    if (event.key !== "ArrowUp" || !draft.isEmpty || !last || chat.isAnswering) return;
    if (!(event.target instanceof HTMLTextAreaElement) || event.target.value !== "") return;
    event.preventDefault();
    onEdit(last.id);
  };
  const takeIdea = (text: string): void => {
    draft.restore(text);
    draft.focus();
  };

  return (
    <section aria-label={t("chat.region")} className="flex min-h-0 flex-1 flex-col">
      <ChatHeader
        conversationId={chat.status === "gone" ? null : conversationId}
        title={chat.title}
        model={model}
        onModel={conversationId === null ? (chosen) => change({ chatModel: chosen }) : chat.setModel}
      />
      <ModelNote model={model} isNew={chat.shown.length === 0} />
      <ConversationView
        conversationId={conversationId}
        messageId={messageId}
        chat={chat}
        editedId={editedId}
        onEdit={onEdit}
        onIdea={takeIdea}
        onNew={() => go("/")}
      />
      {chat.problem && <Refusal problem={chat.problem} onDismiss={chat.dismissProblem} />}
      <div onKeyDown={editLast}>
        <Composer
          state={state}
          isEmpty={draft.isEmpty}
          field={
            composer?.field ?? <PlainField field={plain.field} text={plain.text} onText={plain.setText} />
          }
          microphone={composer?.microphone}
          below={composer?.below}
          onSend={() => void send()}
          onStop={chat.stop}
        />
      </div>
    </section>
  );
}

/** Send the draft; a refused text returns to the field. */
function useSendDraft(
  chat: ConversationChat,
  draft: Draft,
  model: string,
  onReady: (() => void) | undefined,
): { state: ComposerState; send: () => Promise<void> } {
  const { t } = useTranslation();
  const { toasts } = useServices();
  const [isTaking, setTaking] = useState(false);
  const isReady = !chat.isAnswering && !chat.isCreating && !isTaking;
  useEffect(() => {
    if (isReady) onReady?.();
  }, [isReady, onReady]);
  const send = async (): Promise<void> => {
    if (!isReady) return;
    setTaking(true);
    const { text, isWhole } = await draft.take().finally(() => setTaking(false));
    if (text.trim() === "") return;
    if (!(await chat.send(text, model))) return draft.restore(text);
    if (!isWhole) toasts.show({ text: t("chat.partial"), tone: "info" });
  };
  return { state: getComposerState(chat, isTaking), send };
}

function getComposerState(
  { isAnswering, live, isCreating }: ConversationChat,
  isTaking: boolean,
): ComposerState {
  if (isAnswering) return live?.isStopping ? "stopping" : "answering";
  if (isTaking) return "taking";
  return isCreating ? "creating" : "ready";
}

/** Which message is edited. Another conversation ends editing, and its composer gets the focus. */
function useEditing(conversationId: string | null, messageId: string | null, draft: Draft) {
  const [editedId, setEditedId] = useState<string | null>(null);
  const focus = useRef(draft.focus);
  useEffect(() => void (focus.current = draft.focus));
  useEffect(() => {
    setEditedId(null);
    if (messageId === null) focus.current();
    // Another message of the same conversation does not move the focus.
    // eslint-disable-next-line react-hooks/exhaustive-deps -- see the comment above
  }, [conversationId]);
  // The same function for every render: typing must not render the messages again.
  const onEdit = useCallback((id: string | null) => {
    setEditedId(id);
    if (id === null) focus.current();
  }, []);
  return { editedId, onEdit };
}
