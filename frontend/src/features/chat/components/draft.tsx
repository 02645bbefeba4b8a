/** The text being composed, as the chat sees it; and a plain field for typing, where nothing dictates. */
import { type RefObject, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import type { MessageFiles } from "@/shared/api/attachments";
import { submitOnEnter } from "@/shared/lib/keyboard";

/** What was in the field. */
export interface TakenDraft {
  text: string;
  /** Where the last words of a dictation could not become final, the text is what was on the screen. */
  isWhole: boolean;
  files?: MessageFiles;
}

/** The text being composed, typed or dictated, with the files that go with it. */
export interface Draft {
  readonly isEmpty: boolean;
  /** Some files are not there yet, or a question about them is open: what is sent by itself waits. */
  readonly isPending?: boolean;
  /**
   * Wait for what the model needs, and ask the user about what it cannot read. Resolves to the model to send
   * to; to null where nothing is to be sent now. `onModel` takes another model that the user chooses.
   */
  prepare?: (model: string, isAutomatic: boolean, onModel: (model: string) => void) => Promise<string | null>;
  /** The server has refused the pictures of a message: this model sees none. */
  markBlind?: (model: string) => void;
  /** Empty the field and resolve to what was in it, once the last words of a dictation are final. */
  take: () => Promise<TakenDraft>;
  /** Put back what was not sent, before what was written since. */
  restore: (text: string, files?: MessageFiles) => void;
  focus: () => void;
  /** Whether the submit that is going on was made by nobody: dictated text is sent by itself. */
  isAutomatic?: () => boolean;
  /** Make it the text of a new conversation, where each conversation has a text of its own. */
  moveToNew?: () => void;
}

/** A draft that is only typed. */
export function usePlainDraft() {
  const [text, setText] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  const draft = useMemo<Draft>(
    () => ({
      isEmpty: text.trim() === "",
      take: () => {
        setText("");
        return Promise.resolve({ text, isWhole: true });
      },
      restore: (unsent) => setText((now) => (now.trim() === "" ? unsent : `${unsent}\n${now}`)),
      focus: () => field.current?.focus(),
    }),
    [text],
  );
  return { draft, text, setText, field };
}

interface PlainFieldProps {
  field: RefObject<HTMLTextAreaElement | null>;
  text: string;
  onText: (text: string) => void;
}

export function PlainField({ field, text, onText }: PlainFieldProps) {
  const { t } = useTranslation();
  return (
    <textarea
      ref={field}
      aria-label={t("chat.composer")}
      placeholder={t("chat.placeholder")}
      rows={1}
      className="field-sizing max-h-[40vh] min-h-10 w-full resize-none bg-transparent px-2 py-2 leading-6 outline-none placeholder:text-muted"
      value={text}
      onChange={(event) => onText(event.target.value)}
      onKeyDown={submitOnEnter}
    />
  );
}
