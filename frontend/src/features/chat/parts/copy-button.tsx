/** Copies a text, and says so. */
import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

const SAID_MS = 1500;

export function CopyButton({
  text,
  label,
  showLabel = false,
}: {
  text: string;
  label: string;
  showLabel?: boolean;
}) {
  const { t } = useTranslation();
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), SAID_MS);
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

/** Without https there is no clipboard but on localhost; the old way works there still. */
async function copyText(text: string): Promise<void> {
  if ("clipboard" in navigator) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (!copied) throw new Error("the browser did not copy");
}
