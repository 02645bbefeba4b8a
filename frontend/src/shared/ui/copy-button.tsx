/** A button that copies a text, or a text with its formatting, and says so. */
import type { TFunction } from "i18next";
import { Check, Copy, type LucideIcon } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

const FEEDBACK_MS = 1500;

interface CopyButtonProps {
  /** What is copied; a function gives it when it is needed. */
  text: string | (() => string);
  /** The same as HTML, of what stands around the button: programs that show formatting take it. */
  html?: (button: HTMLElement) => string;
  label: string;
  showLabel?: boolean;
  /** A word that is shown in place of the icon. */
  shown?: string;
  Icon?: LucideIcon;
}

export function CopyButton(props: CopyButtonProps) {
  const { t } = useTranslation();
  return <WordedCopyButton {...props} t={t} />;
}

/** The same with the words of whoever shows many of them, and words them anew when there is time. */
export function WordedCopyButton({ t, ...props }: CopyButtonProps & { t: TFunction }) {
  const { text, html, label, showLabel = false, shown, Icon = Copy } = props;
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), FEEDBACK_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = (button: HTMLElement): void => {
    const plain = typeof text === "string" ? text : text();
    void (html ? copyFormatted(plain, html(button)) : copyText(plain)).then(
      () => setState("copied"),
      () => setState("failed"),
    );
  };
  const said = { idle: label, copied: t("common.copied"), failed: t("chat.copyFailed") }[state];
  return (
    <button
      type="button"
      className="button-quiet"
      onClick={(event) => copy(event.currentTarget)}
      aria-label={said}
      title={said}
    >
      {state === "copied" ? (
        <Check size={16} aria-hidden />
      ) : (
        shown === undefined && <Icon size={16} aria-hidden />
      )}
      {shown}
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

/**
 * Copy a text and the same as HTML; where the browser takes one of them, the text.
 *
 * @throws Error where the browser refuses
 */
async function copyFormatted(text: string, html: string): Promise<void> {
  if ("clipboard" in navigator && "write" in navigator.clipboard) {
    const kinds = { "text/plain": text, "text/html": html };
    const blobs = Object.entries(kinds).map(([type, value]) => [type, new Blob([value], { type })] as const);
    await navigator.clipboard.write([new ClipboardItem(Object.fromEntries(blobs))]);
    return;
  }
  const fill = (event: ClipboardEvent): void => {
    event.clipboardData?.setData("text/html", html);
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
  };
  document.addEventListener("copy", fill, { once: true, capture: true });
  try {
    await copyText(text);
  } finally {
    document.removeEventListener("copy", fill, { capture: true });
  }
}
