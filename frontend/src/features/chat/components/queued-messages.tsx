/** The messages that are sent when the answer ends, each with a button that takes it back. */
import { Clock, Paperclip, X } from "lucide-react";
import { useTranslation } from "react-i18next";

import type { QueuedMessage } from "../stream/message-queue";

interface Props {
  messages: readonly QueuedMessage[];
  /** It is not known whether the message before them has arrived: an answer may never come. */
  isUncertain: boolean;
  onTakeBack: (id: string) => void;
}

export function QueuedMessages({ messages, isUncertain, onTakeBack }: Props) {
  const { t } = useTranslation();
  if (messages.length === 0) return null;
  return (
    <div className="mx-auto mb-2 w-full max-w-3xl px-3 sm:px-4">
      <p id="queued" className="mb-1 px-1 text-xs text-muted">
        {t(isUncertain ? "chat.queue.uncertain" : "chat.queue.title")}
      </p>
      <ol aria-labelledby="queued" className="max-h-40 space-y-1 overflow-y-auto">
        {messages.map(({ id, text: written, files: { attachments } }) => {
          const text = written.trim() === "" ? attachments.map(({ name }) => name).join(", ") : written;
          return (
            <li
              key={id}
              className="flex items-center gap-2 rounded-xl border border-line bg-raised py-0.5 pl-3 pr-1 text-sm"
            >
              <Clock size={15} aria-hidden className="shrink-0 text-muted" />
              <span dir="auto" className="line-clamp-2 min-w-0 flex-1 break-words" title={text}>
                {text}
              </span>
              {attachments.length > 0 && (
                <span className="flex shrink-0 items-center gap-1 text-xs text-muted">
                  <Paperclip size={14} aria-hidden />
                  <span className="sr-only">{t("chat.queue.files", { count: attachments.length })}</span>
                  <span aria-hidden>{attachments.length}</span>
                </span>
              )}
              <button
                type="button"
                className="button-quiet min-h-11 min-w-11 shrink-0"
                aria-label={t("chat.queue.takeBack", { text })}
                title={t("chat.queue.takeBackHint")}
                onClick={() => onTakeBack(id)}
              >
                <X size={16} aria-hidden />
              </button>
            </li>
          );
        })}
      </ol>
    </div>
  );
}
