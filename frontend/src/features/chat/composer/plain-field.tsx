/** A field that is only typed in. */
import type { KeyboardEvent, RefObject } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  field: RefObject<HTMLTextAreaElement | null>;
  text: string;
  onText: (text: string) => void;
}

export function PlainField({ field, text, onText }: Props) {
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

/** Enter sends and Shift+Enter does not; nor does the Enter that ends a composition (Japanese, accents). */
export function submitOnEnter(event: KeyboardEvent<HTMLTextAreaElement>): void {
  if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
  event.preventDefault();
  event.currentTarget.form?.requestSubmit();
}
