/** Copies a text, and says so. */
import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { copyText } from "./copy-text";

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
