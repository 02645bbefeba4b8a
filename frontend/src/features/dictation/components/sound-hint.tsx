/** What the server says about the sound that it gets, and which limit is near, until it is read. */
import { Info, X } from "lucide-react";
import { useTranslation } from "react-i18next";

import { wordNote } from "@/shared/lib/notes";

import type { NearLimit, ServerHint } from "../client/messages";

interface HintProps {
  name: string;
  /** Null where there is nothing to say. */
  text: string | null;
  onDismiss: () => void;
}

function Hint({ name, text, onDismiss }: HintProps) {
  const { t } = useTranslation();
  return (
    <div aria-live="polite" data-testid={name}>
      {text !== null && (
        <div className="mt-2 flex items-start gap-2 rounded-xl border border-warn/40 bg-warn/10 p-3 text-sm">
          <Info size={18} className="mt-0.5 shrink-0 text-warn" aria-hidden />
          <p className="min-w-0 flex-1 break-words">{text}</p>
          <button
            type="button"
            className="button-quiet -my-1"
            aria-label={t("common.close")}
            onClick={onDismiss}
          >
            <X size={16} aria-hidden />
          </button>
        </div>
      )}
    </div>
  );
}

interface SoundHintProps {
  hint: ServerHint | null;
  onDismiss: () => void;
}

export function SoundHint({ hint, onDismiss }: SoundHintProps) {
  const { t } = useTranslation();
  const text = hint === null ? null : wordNote(t, hint, t("dictation.badSound"));
  return <Hint name="sound-hint" text={text} onDismiss={onDismiss} />;
}

interface LimitHintProps {
  limit: NearLimit | null;
  onDismiss: () => void;
}

export function LimitHint({ limit, onDismiss }: LimitHintProps) {
  const { t } = useTranslation();
  const text =
    limit === null ? null : t(`dictation.limits.${limit.name}.${limit.isReached ? "reached" : "near"}`);
  return <Hint name="limit-hint" text={text} onDismiss={onDismiss} />;
}
