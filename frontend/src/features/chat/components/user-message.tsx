/** A message of the user, exactly as it was sent, with a button that edits it. */
import { Pencil } from "lucide-react";
import { useTranslation } from "react-i18next";

import { CopyButton } from "@/shared/ui/copy-button";

import type { Editing } from "../use-editing";
import { EditMessage } from "./edit-message";
import { ActionButton, type MessageProps, VersionSwitch } from "./message-actions";
import { MessageFiles } from "./message-files";

interface Props extends MessageProps {
  /** Of this message, or another version of it. */
  editing: Editing | null;
  onEdit: (id: string) => void;
}

export function UserMessage({ editing, onEdit, ...props }: Props) {
  const { message, isEditable, actions } = props;
  const { t } = useTranslation();
  if (editing && actions) {
    return (
      <article aria-label={t("chat.you")}>
        <EditMessage
          text={message.content}
          attachments={message.attachments}
          halfWritten={editing.read()}
          isNewerVersion={editing.id !== message.id}
          onText={editing.keep}
          onCancel={editing.drop}
          onSend={async (text, kept) => {
            const isStored = await actions.edit(message, text, kept);
            if (isStored) editing.start(null);
            return isStored;
          }}
        />
      </article>
    );
  }
  const isSending = message.status === "sending";
  return (
    <article aria-label={t("chat.you")} className="group flex flex-col items-end">
      <MessageFiles attachments={message.attachments} />
      {message.content !== "" && (
        <div
          dir="auto"
          data-bubble
          className={`max-w-[88%] whitespace-pre-wrap break-words rounded-2xl rounded-br-md bg-raised px-4 py-2.5 leading-7 sm:max-w-[80%] ${isSending ? "text-muted" : ""}`}
        >
          {message.content}
        </div>
      )}
      <div className="message-actions">
        {isSending && (
          <span className="text-xs text-muted">
            {t(message.live === "uncertain" ? "chat.uncertain" : "chat.sending")}
          </span>
        )}
        <CopyButton text={message.content} label={t("chat.copyMessage")} />
        <ActionButton
          Icon={Pencil}
          label={t("chat.edit")}
          disabled={!isEditable}
          onClick={() => onEdit(message.id)}
        />
        <VersionSwitch {...props} />
      </div>
    </article>
  );
}
