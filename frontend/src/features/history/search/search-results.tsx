/** What a search found: each place with its words marked. */
import { FileAudio, MessageSquare, Type } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Hit } from "@/shared/api/types";
import { shortWhen } from "@/shared/lib/dates";

import { pieces, plain } from "./pieces";

const KINDS = {
  title: { icon: Type, text: "history.inTitle" },
  message: { icon: MessageSquare, text: "history.inMessage" },
  dictation: { icon: FileAudio, text: "history.inDictation" },
} as const;

export function SearchResults({
  hits,
  words,
  onOpen,
}: {
  hits: readonly Hit[];
  words: string;
  onOpen: () => void;
}) {
  const { t } = useTranslation();
  return (
    <>
      <p role="status" className={hits.length === 0 ? "px-3 py-6 text-center text-sm text-muted" : "sr-only"}>
        {hits.length === 0 ? t("history.nothingFound", { words }) : `${t("history.results")}: ${hits.length}`}
      </p>
      <ul aria-label={t("history.results")} className="space-y-1">
        {hits.map((hit, place) => (
          <li
            key={`${hit.kind} ${hit.message_id ?? hit.dictation_id ?? hit.conversation_id} ${hit.final_n ?? place}`}
          >
            <Found hit={hit} onOpen={onOpen} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Found({ hit, onOpen }: { hit: Hit; onOpen: () => void }) {
  const { t, i18n } = useTranslation();
  const { icon: Icon, text } = KINDS[hit.kind];
  return (
    <Link href={addressOf(hit)} onClick={onOpen} className="block rounded-lg px-3 py-2 hover:bg-raised">
      <span className="flex items-center gap-1.5 text-xs text-muted">
        <Icon size={13} aria-hidden className="shrink-0" />
        <span className="truncate">{hit.kind === "title" ? t(text) : (hit.title ?? t(text))}</span>
        <span className="ml-auto shrink-0">{shortWhen(hit.created_at, i18n.language)}</span>
      </span>
      <span className="mt-0.5 line-clamp-2 text-sm">
        {pieces(hit.snippet, hit.matches).map((piece, place) =>
          piece.matched ? (
            <mark key={place} className="rounded bg-accent/25 text-ink">
              {plain(piece.text)}
            </mark>
          ) : (
            plain(piece.text)
          ),
        )}
      </span>
    </Link>
  );
}

function addressOf(hit: Hit): string {
  if (hit.dictation_id !== null) return `/dictations/${hit.dictation_id}`;
  return `/c/${hit.conversation_id}${hit.message_id === null ? "" : `/${hit.message_id}`}`;
}
