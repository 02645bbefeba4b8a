/** The page of one conversation: joins header, messages and composer. */
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { NO_FILES } from "@/shared/api/attachments";
import { isComposing } from "@/shared/lib/keyboard";
import { useServices, useSettings } from "@/shared/services";
import { useToastFloor } from "@/shared/ui/toaster";

import { ChatHeader } from "./components/chat-header";
import { Composer, type ComposerState, Refusal, UncertainNote } from "./components/composer";
import { ConversationView } from "./components/conversation-view";
import { type Draft, PlainField, usePlainDraft } from "./components/draft";
import { type RenderFiles, RenderFilesContext } from "./components/message-files";
import { ModelNote } from "./components/model-note";
import { QueuedMessages } from "./components/queued-messages";
import { FormattedText } from "./markdown/markdown";
import { useChatShortcuts } from "./use-chat-shortcuts";
import { type ConversationChat, useConversationChat } from "./use-conversation-chat";
import { type Editing, isEditedAt, useEditing, useRescuedEdits } from "./use-editing";
import { type ShownQueue, useMessageQueue } from "./use-message-queue";
import { type ChatProgress, useProgress } from "./use-progress";

import "./print.css";

/** What dictation and attachments put into the composer. */
export interface ComposerParts {
  draft: Draft;
  /** Above the field: the files that go with the text. */
  files?: ReactNode;
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
  /** What stands above the field where nothing can answer: it knows the model, and may choose another. */
  connect?: (model: string, onModel: (model: string) => void) => ReactNode;
  /** The button that shares a conversation; undefined where nobody may. */
  share?: ((conversationId: string) => ReactNode) | undefined;
  /** Draws the files of a message. Without it they are not shown. The same function for every render. */
  renderFiles?: RenderFiles;
}

export function ChatPage(props: Props) {
  const { conversationId, messageId = null, composer, connect, share, renderFiles } = props;
  const { t } = useTranslation();
  const [, go] = useLocation();
  const [goTo] = useState(() => (id: string) => go(`/c/${id}`));
  const [{ chatModel }, change] = useSettings();
  const plain = usePlainDraft();
  const draft = composer?.draft ?? plain.draft;
  const chat = useConversationChat(conversationId, goTo);
  const model = conversationId === null ? chatModel : chat.model;
  const queue = useMessageQueue(conversationId, draft);
  const onModel = conversationId === null ? (chosen: string) => change({ chatModel: chosen }) : chat.setModel;
  const { state, send } = useSendDraft(
    { conversationId, chat, draft, model, onModel, queue },
    composer?.onReady,
  );
  const isFree = state === "ready" && queue.messages.length === 0 && !draft.isPending;
  useProgress(conversationId, chat, isFree, composer?.onProgress);
  const editing = useEditing(conversationId, messageId, draft);
  useRescuedEdits(conversationId, chat, draft);
  useChatShortcuts(chat, draft, queue);
  const below = useRef<HTMLDivElement>(null);
  useToastFloor(below);
  const hasMessages = conversationId !== null;
  useEffect(() => {
    if (hasMessages) void FormattedText.load(); // the messages are asked for at the same time
  }, [hasMessages]);
  useEffect(() => {
    document.title = chat.title ? `${chat.title} · PROMPTer` : "PROMPTer";
  }, [chat.title]);

  /** Arrow up in the empty field edits the last message. */
  const editLast = (event: KeyboardEvent): void => {
    const last = chat.shown.findLast((message) => message.role === "user");
    if (event.key !== "ArrowUp" || isComposing(event) || !draft.isEmpty || !last || chat.isAnswering) return;
    if (!(event.target instanceof HTMLTextAreaElement) || event.target.value !== "") return;
    event.preventDefault();
    editing.start(last.id);
  };
  const takeAlong = (): void => {
    draft.moveToNew?.();
    go("/");
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
        onModel={onModel}
        share={share}
      />
      <ModelNote model={model} isNew={chat.shown.length === 0} />
      <RenderFilesContext value={renderFiles ?? null}>
        <ConversationView
          conversationId={conversationId}
          messageId={messageId}
          chat={chat}
          editing={editing}
          onIdea={takeIdea}
          hasText={!draft.isEmpty}
          onNew={takeAlong}
        />
      </RenderFilesContext>
      <div ref={below}>
        <HiddenEdit chat={chat} editing={editing} />
        {chat.live?.phase === "uncertain" && <UncertainNote />}
        {chat.problem && chat.status !== "gone" && (
          <Refusal problem={chat.problem} onDismiss={chat.dismissProblem} />
        )}
        {connect?.(model, onModel)}
        <QueuedMessages
          messages={queue.messages}
          isUncertain={state === "uncertain"}
          onTakeBack={(id) => void queue.takeBack(id)}
        />
        <div onKeyDown={editLast}>
          <Composer
            state={state}
            isEmpty={draft.isEmpty}
            files={composer?.files}
            field={
              composer?.field ?? <PlainField field={plain.field} text={plain.text} onText={plain.setText} />
            }
            microphone={composer?.microphone}
            below={composer?.below}
            onSend={() => void send()}
            onStop={chat.stop}
          />
        </div>
      </div>
    </section>
  );
}

/** Says that a half-written edit belongs to a branch that is not shown, and leads there. */
function HiddenEdit({ chat, editing }: { chat: ConversationChat; editing: Editing }) {
  const { t } = useTranslation();
  const { id } = editing;
  if (id === null || chat.status !== "loaded" || chat.isAnswering || chat.shown.length === 0) return null;
  if (editing.read() === "" || chat.shown.some((message) => isEditedAt(message, id))) return null;
  return (
    <div className="mx-auto mb-2 w-full max-w-3xl px-3 sm:px-4">
      <div
        role="status"
        className="flex items-center gap-3 rounded-xl border border-line bg-raised py-0.5 pl-3 pr-1 text-sm"
      >
        <p className="min-w-0 flex-1">{t("chat.editHidden")}</p>
        <button
          type="button"
          className="button-quiet min-h-11 shrink-0 font-semibold text-accent"
          onClick={() => chat.actions?.show(id)}
        >
          {t("chat.editShow")}
        </button>
      </div>
    </div>
  );
}

interface SendOptions {
  conversationId: string | null;
  chat: ConversationChat;
  draft: Draft;
  model: string;
  onModel: (model: string) => void;
  queue: ShownQueue;
}

/**
 * Send the draft; a text that is not stored returns to the field of its conversation. During an answer it
 * waits for the end of that.
 */
function useSendDraft(options: SendOptions, onReady: (() => void) | undefined) {
  const { conversationId, chat, draft, model, onModel, queue } = options;
  const { t } = useTranslation();
  const { toasts } = useServices();
  /** What is waited for, and where: the user may look at another conversation meanwhile. */
  const [awaited, setAwaited] = useState<{ kind: "files" | "words"; of: string | null } | null>(null);
  const waitsFor = awaited !== null && awaited.of === conversationId ? awaited.kind : null;
  const isAble = !chat.isCreating && chat.status !== "gone" && chat.live?.phase !== "uncertain";
  const isAnswered = chat.isAnswering || queue.messages.length > 0;
  const isReady = isAble && !isAnswered && waitsFor === null;
  const isDue = isReady && !draft.isPending;
  useEffect(() => {
    if (isDue) onReady?.();
  }, [isDue, onReady]);
  const { markBlind } = draft;
  const isBlind = chat.problem?.code === "images_not_supported";
  useEffect(() => {
    if (isBlind) markBlind?.(model);
  }, [isBlind, markBlind, model]);
  const latest = useRef({ isAble, isAnswered, draft });
  useEffect(() => void (latest.current = { isAble, isAnswered, draft }));
  /** Show what is waited for until that has come. */
  const during = <T,>(kind: "files" | "words", work: Promise<T>): Promise<T> => {
    const own = { kind, of: conversationId };
    setAwaited(own);
    return work.finally(() => setAwaited((now) => (now === own ? null : now)));
  };
  const send = async (): Promise<void> => {
    const isAutomatic = draft.isAutomatic?.() ?? false;
    // What is sent by itself keeps gathering in the field until it can be sent.
    if (!isAble || waitsFor !== null || (isAutomatic && (isAnswered || draft.isPending))) return;
    const visit = chat.visit.current;
    let chosen: string | null = model;
    if (draft.prepare) {
      chosen = await during("files", draft.prepare(model, isAutomatic, onModel));
      if (chosen === null || visit !== chat.visit.current || !latest.current.isAble) return;
    }
    const { isAnswered: isQueued, draft: whole } = latest.current;
    const { text, isWhole, files = NO_FILES } = await during("words", whole.take());
    if (text.trim() === "" && files.attachments.length === 0) return;
    if (isQueued) return queue.add({ text, files }, chosen);
    const isStored = await chat.send({ text, files }, chosen, visit);
    if (isStored && !isWhole) toasts.show({ text: t("chat.partial"), tone: "info" });
  };
  return { state: getComposerState(chat, waitsFor), send };
}

function getComposerState(
  { status, isAnswering, live, isCreating }: ConversationChat,
  waitsFor: "files" | "words" | null,
): ComposerState {
  if (status === "gone") return "gone";
  if (live?.phase === "uncertain") return "uncertain";
  if (isAnswering) return live?.isStopping ? "stopping" : "answering";
  if (waitsFor !== null) return waitsFor === "files" ? "attaching" : "taking";
  return isCreating ? "creating" : "ready";
}
