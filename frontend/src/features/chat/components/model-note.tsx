/** A note about what answers: an assistant's purpose in a new conversation, or why a model cannot answer. */
import { Bot, TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { STATE_TEXTS, useAnswering } from "@/shared/api/providers";
import { wordNote } from "@/shared/lib/notes";
import { nameWhat } from "@/shared/lib/provider-names";
import { TechnicalDetails } from "@/shared/ui/notice";

interface Props {
  model: string;
  /** The conversation has no messages. */
  isNew: boolean;
}

export function ModelNote({ model, isNew }: Props) {
  const { t } = useTranslation();
  const answering = useAnswering(model);
  if (!answering) return null;
  const { description, status, note, hint, isAssistant, provider } = answering;
  const title = provider ? nameWhat(t, provider) : answering.title;
  const isReady = status === "ready" || (status === "loading" && !isAssistant);
  if (isReady && !(isNew && isAssistant)) return null;
  return (
    <div
      role="note"
      aria-label={title}
      className={`shrink-0 border-b px-3 py-2 text-sm sm:px-5 ${isReady ? "border-line bg-surface" : "border-warn/50 bg-warn/10"}`}
    >
      <p className="flex items-start gap-2">
        {isReady ? (
          <Bot size={18} aria-hidden className="mt-px shrink-0 text-accent" />
        ) : (
          <TriangleAlert size={18} aria-hidden className="mt-px shrink-0 text-warn" />
        )}
        <span className="min-w-0 break-words">
          <strong className="font-semibold">{title}</strong>
          {!isReady && ` (${t(STATE_TEXTS[status])})`}
          {description && <span className="text-muted">: {description}</span>}
        </span>
      </p>
      {!isReady && (
        <div className="mt-1 pl-[26px]">
          <p className="break-words">
            {!isAssistant && `${t("chat.noAnswers")} `}
            {note && wordNote(t, note)}{" "}
            <Link href="/settings" className="text-accent underline underline-offset-2">
              {t("dictation.toSettings")}
            </Link>
          </p>
          <TechnicalDetails text={hint} />
        </div>
      )}
    </div>
  );
}
