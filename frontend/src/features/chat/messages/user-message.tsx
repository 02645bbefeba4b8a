/** What the user said, exactly as it was sent; it can be edited into another version. */
import { Pencil } from "lucide-react";
import { useTranslation } from "react-i18next";

import { CopyButton } from "../parts/copy-button";
import { EditMessage } from "./edit-message";
import type { MessageProps } from "./message-item";
import { VersionSwitch } from "./version-switch";

interface Props extends MessageProps {
  isEdited: boolean;
  /** Begins to edit a message, or with null ends it. */
  onEdit: (id: string | null) => void;
}

export function UserMessage({ message, isSettled, actions, isEdited, onEdit }: Props) {
  const { t } = useTranslation();
  if (isEdited && actions) {
    return (
      <article aria-label={t("chat.you")}>
        <EditMessage
          text={message.content}
          onCancel={() => onEdit(null)}
          onSend={async (text) => {
            const isKept = await actions.edit(message, text);
            if (isKept) onEdit(null);
            return isKept;
          }}
        />
      </article>
    );
  }
  const isSending = message.status === "sending";
  return (
    <article aria-label={t("chat.you")} className="group flex flex-col items-end">
      <div
        dir="auto"
        data-bubble
        className={`max-w-[88%] whitespace-pre-wrap break-words rounded-2xl rounded-br-md bg-raised px-4 py-2.5 leading-7 sm:max-w-[80%] ${isSending ? "opacity-60" : ""}`}
      >
        {message.content}
      </div>
      <div className="message-actions">
        {isSending && <span className="text-xs text-muted">{t("chat.sending")}</span>}
        <CopyButton text={message.content} label={t("chat.copyMessage")} />
        <button
          type="button"
          className="button-quiet"
          aria-label={t("chat.edit")}
          title={t("chat.edit")}
          disabled={!isSettled}
          onClick={() => onEdit(message.id)}
        >
          <Pencil size={16} aria-hidden />
        </button>
        {actions && (
          <VersionSwitch
            id={message.id}
            versionIds={message.version_ids}
            disabled={!isSettled}
            onShow={actions.show}
          />
        )}
      </div>
    </article>
  );
}
