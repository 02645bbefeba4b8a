/** A dictation that goes on in another conversation: where its words go, and the way there. */
import { useQueryClient } from "@tanstack/react-query";
import { CornerUpLeft } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { keys } from "@/shared/api/queries";
import type { ConversationDetail } from "@/shared/api/types";

import { NEW } from "../drafts";

/** @param conversation its id, or `NEW` */
export function DictationElsewhere({ conversation }: { conversation: string }) {
  const { t } = useTranslation();
  const known = useQueryClient().getQueryData<ConversationDetail>(keys.conversation(conversation));
  const title = conversation === NEW ? t("chat.newTitle") : known?.title;
  return (
    <div
      role="status"
      className="mt-2 flex min-h-11 items-center gap-2 rounded-xl border border-line bg-raised py-0.5 pl-3 pr-1 text-sm"
    >
      <p className="min-w-0 flex-1 break-words">
        {title ? t("dictation.elsewhere", { title }) : t("dictation.elsewhereUnnamed")}
      </p>
      <Link
        href={conversation === NEW ? "/" : `/c/${conversation}`}
        className="button-quiet min-h-11 shrink-0 font-semibold text-accent"
      >
        <CornerUpLeft size={16} aria-hidden />
        {t("dictation.goThere")}
      </Link>
    </div>
  );
}
