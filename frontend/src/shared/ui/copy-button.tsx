/** A button that copies a text and says so. */
import type { TFunction } from "i18next";
import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

const FEEDBACK_MS = 1500;

interface CopyButtonProps {
  text: string;
  label: string;
  showLabel?: boolean;
}

export function CopyButton(props: CopyButtonProps) {
  const { t } = useTranslation();
  return <WordedCopyButton {...props} t={t} />;
}

/** The same with the words of whoever shows many of them, and words them anew when there is time. */
export function WordedCopyButton({ text, label, showLabel = false, t }: CopyButtonProps & { t: TFunction }) {
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), FEEDBACK_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = (): void =>
    void copyText(text).then(
      () => setState("copied"),
      () => setState("failed"),
    );
  const said = { idle: label, copied: t("common.copied"), failed: t("chat.copyFailed") }[state];
  return (
    <button type="button" className="button-quiet" onClick={copy} aria-label={said} title={said}>
      {state === "copied" ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
      {showLabel && said}
    </button>
  );
}

/**
 * Copy to the clipboard. Without https only localhost has one; elsewhere the deprecated command still works.
 *
 * @throws Error where the browser refuses
 */
export async function copyText(text: string): Promise<void> {
  if ("clipboard" in navigator) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  // A modal dialog makes everything outside of it inert.
  (focused?.closest("dialog") ?? document.body).append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!copied) throw new Error("the browser did not copy");
}
