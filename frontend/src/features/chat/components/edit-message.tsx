/** The field that edits a message which was sent: the result is another version of it. */
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Attachment } from "@/shared/api/attachments";
import { isEnter, isEscape } from "@/shared/lib/keyboard";

import { MessageFiles } from "./message-files";

interface Props {
  text: string;
  /** The files of the message. */
  attachments: readonly Attachment[];
  /** What was written before the field was made; "" for nothing. */
  halfWritten: string;
  /** `text` is another version than the one that this edit began with. */
  isNewerVersion: boolean;
  /** Called with each change; with "" where the text is as it was. */
  onText: (text: string) => void;
  /**
   * Called with the files that were not removed. Resolves to whether the text is stored. The field stays
   * until then, and where the text is refused.
   */
  onSend: (text: string, kept: readonly Attachment[]) => Promise<boolean>;
  onCancel: () => void;
}

export function EditMessage(props: Props) {
  const { text, attachments, halfWritten, isNewerVersion, onText, onSend, onCancel } = props;
  const { t } = useTranslation();
  const [value, setValue] = useState(halfWritten || text);
  const [removed, setRemoved] = useState<readonly string[]>([]);
  const [isSending, setSending] = useState(false);
  const kept = attachments.filter(({ id }) => !removed.includes(id));
  const isEmpty = value.trim() === "" && kept.length === 0;
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // One that is restored leaves the focus where the user has it.
    if (document.activeElement !== document.body) return;
    field.current?.focus();
    field.current?.setSelectionRange(field.current.value.length, field.current.value.length);
  }, []);
  const change = (written: string): void => {
    setValue(written);
    onText(written === text ? "" : written);
  };
  const send = async (): Promise<void> => {
    if (isEmpty || isSending) return;
    setSending(true);
    if (!(await onSend(value, kept))) setSending(false);
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void send();
  };
  const handleKey = (event: KeyboardEvent): void => {
    if (isEscape(event)) {
      event.preventDefault(); // Escape closes this field and does not stop the answer
      event.stopPropagation();
      onCancel();
    }
    if (isEnter(event)) submit(event);
  };
  return (
    <form
      data-edit
      onSubmit={submit}
      className="w-full rounded-2xl border border-line bg-raised p-3 focus-within:border-accent"
    >
      <MessageFiles attachments={kept} onRemove={(id) => setRemoved([...removed, id])} />
      <textarea
        ref={field}
        dir="auto"
        aria-label={t("chat.editField")}
        className="field-sizing max-h-[50vh] min-h-target w-full resize-none bg-transparent leading-7 outline-none"
        rows={Math.min(12, value.split("\n").length + 1)}
        value={value}
        readOnly={isSending}
        onChange={(event) => change(event.target.value)}
        onKeyDown={handleKey}
      />
      {isNewerVersion && (
        <p role="status" className="mt-2 text-sm text-muted">
          {t("chat.editNewer")}
        </p>
      )}
      <div className="mt-2 flex flex-wrap justify-end gap-2">
        <button type="button" className="button" onClick={onCancel}>
          {t("common.cancel")}
        </button>
        <button type="submit" className="button-brand" disabled={isEmpty || isSending}>
          {isSending ? t("chat.sending") : t("chat.editSend")}
        </button>
      </div>
    </form>
  );
}
