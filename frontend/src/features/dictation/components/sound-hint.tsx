/** What the server says about the sound that it gets, until it is read. */
import { Info, X } from "lucide-react";
import { useTranslation } from "react-i18next";

import { wordNote } from "@/shared/lib/notes";

import type { ServerHint } from "../client/messages";

interface SoundHintProps {
  hint: ServerHint | null;
  onDismiss: () => void;
}

export function SoundHint({ hint, onDismiss }: SoundHintProps) {
  const { t } = useTranslation();
  return (
    <div aria-live="polite" data-testid="sound-hint">
      {hint !== null && (
        <div className="mt-2 flex items-start gap-2 rounded-xl border border-warn/40 bg-warn/10 p-3 text-sm">
          <Info size={18} className="mt-0.5 shrink-0 text-warn" aria-hidden />
          <p className="min-w-0 flex-1 break-words">{wordNote(t, hint, t("dictation.badSound"))}</p>
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
