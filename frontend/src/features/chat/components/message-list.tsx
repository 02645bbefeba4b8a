/** The list of messages, oldest first; screen readers hear when an answer starts, and its text at the end. */
import type { TFunction } from "i18next";
import { memo, type RefObject, useEffect, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";

import { wordError } from "@/shared/lib/notes";
import { useServices, useSettings } from "@/shared/services";

import type { MessageActions } from "../conversation-actions";
import { CodeWrapContext } from "../markdown/words-context";
import type { LiveAnswer } from "../stream/live-answer";
import { isEditable, type ShownMessage } from "../stream/shown-messages";
import { ApprovalAnnouncer } from "../tools/approval-card";
import { type Editing, isEditedAt } from "../use-editing";
import { AssistantMessage } from "./assistant-message";
import type { MessageProps } from "./message-actions";
import { useMessageWindow, WINDOW_SIZE } from "./use-message-window";
import { UserMessage } from "./user-message";

interface Props {
  /** The element that scrolls. */
  box: RefObject<HTMLElement | null>;
  shown: readonly ShownMessage[];
  /** The message that a search found. */
  foundId: string | null;
  live: LiveAnswer | null;
  actions: MessageActions | null;
  editing: Editing;
}

const FOUND = "scroll-mt-6 rounded-2xl outline outline-2 outline-offset-8 outline-accent/60";

export const MessageList = memo(function MessageList({ box, shown, foundId, live, actions, editing }: Props) {
  const { t } = useTranslation();
  const { hidden, edge, showMore } = useMessageWindow(
    shown.length,
    box,
    shown.findIndex(({ id }) => id === foundId),
  );
  const [{ wrapsCode }, change] = useSettings();
  const wrap = useMemo(
    () => ({ isOn: wrapsCode, toggle: () => change({ wrapsCode: !wrapsCode }) }),
    [wrapsCode, change],
  );
  return (
    <CodeWrapContext value={wrap}>
      {hidden > 0 && (
        <button ref={edge} type="button" className="button mx-auto mb-6" onClick={showMore}>
          {t("chat.earlier")}
        </button>
      )}
      <ol aria-label={t("chat.messages")} className="space-y-6">
        {shown.slice(hidden).map((message, index) => (
          <li
            key={message.id}
            id={`m-${message.id}`}
            tabIndex={message.id === foundId ? -1 : undefined}
            className={
              message.id === foundId
                ? FOUND
                : hidden + index < shown.length - WINDOW_SIZE
                  ? "far-message"
                  : ""
            }
          >
            <MessageItem
              message={message}
              isEditable={isEditable(message, live)}
              actions={actions}
              editing={isEditedAt(message, editing.id) ? editing : null}
              onEdit={editing.start}
            />
          </li>
        ))}
      </ol>
      <Announcer shown={shown} />
      <ApprovalAnnouncer message={shown.at(-1)} />
    </CodeWrapContext>
  );
});

const MAX_SPOKEN_CHARS = 1000;

/** Tells screen readers that an answer starts, and at its end its text and why there is no more of it. */
function Announcer({ shown }: { shown: readonly ShownMessage[] }) {
  const { t } = useTranslation();
  const last = shown.at(-1);
  const isStreaming = last?.role === "assistant" && last.status === "streaming";
  const wasStreaming = useRef(false);
  const { announcements } = useServices();
  const told = last === undefined || isStreaming ? "" : tellEnd(t, last);
  useEffect(() => {
    if (isStreaming && !wasStreaming.current) announcements.say(t("chat.answering"), "answer");
    if (!isStreaming && wasStreaming.current) announcements.say(told, "answer");
    wasStreaming.current = isStreaming;
  }, [isStreaming, told, t, announcements]);
  return null;
}

/** An answer that is over: its text, what broke it off, or that there is none. */
function tellEnd(t: TFunction, { content, error, status }: ShownMessage): string {
  const isBlank = content.trim() === "";
  const text = isBlank ? "" : t("chat.answered", { text: content.slice(0, MAX_SPOKEN_CHARS) });
  let end = isBlank ? t("chat.problems.empty") : "";
  if (error?.code === "stopped") end = t("chat.problems.stopped");
  else if (error || status === "failed" || status === "interrupted")
    end = `${t("chat.problems.title")}. ${wordError(t, error ?? { code: "interrupted" })}`;
  return [text, end].filter(Boolean).join(" ");
}

const MessageItem = memo(function MessageItem(
  props: MessageProps & { editing: Editing | null; onEdit: (id: string) => void },
) {
  const { message } = props;
  if (message.role === "user") return <UserMessage {...props} />;
  return message.role === "assistant" ? <AssistantMessage {...props} /> : null;
});
