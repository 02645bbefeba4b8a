/** The results of a search, with the words that were found marked. */
import { FileAudio, MessageSquare, Type } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { SearchHit } from "@/shared/api/types";
import { formatShortDate } from "@/shared/lib/formats";

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
  hits: readonly SearchHit[];
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
            <Result hit={hit} onOpen={onOpen} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Result({ hit, onOpen }: { hit: SearchHit; onOpen: () => void }) {
  const { t, i18n } = useTranslation();
  const { icon: Icon, text } = KINDS[hit.kind];
  return (
    <Link href={getPath(hit)} onClick={onOpen} className="block rounded-lg px-3 py-2 hover:bg-raised">
      <span className="flex items-center gap-1.5 text-xs text-muted">
        <Icon size={13} aria-hidden className="shrink-0" />
        <span className="truncate">{hit.kind === "title" ? t(text) : (hit.title ?? t(text))}</span>
        <span className="ml-auto shrink-0">{formatShortDate(hit.created_at, i18n.language)}</span>
      </span>
      <span className="mt-0.5 line-clamp-2 text-sm">
        {splitSnippet(hit.snippet, hit.matches).map((piece, place) =>
          piece.isMatch ? (
            <mark key={place} className="rounded bg-accent/25 text-ink">
              {stripMarkdown(piece.text)}
            </mark>
          ) : (
            stripMarkdown(piece.text)
          ),
        )}
      </span>
    </Link>
  );
}

function getPath(hit: SearchHit): string {
  if (hit.dictation_id !== null) return `/dictations/${hit.dictation_id}`;
  return `/c/${hit.conversation_id}${hit.message_id === null ? "" : `/${hit.message_id}`}`;
}

interface SnippetPiece {
  text: string;
  isMatch: boolean;
}

/**
 * Cut a snippet into what matched and what is between.
 *
 * @param matches start and end in Unicode characters, ascending, as the server counts them
 */
export function splitSnippet(
  snippet: string,
  matches: readonly (readonly [number, number])[],
): SnippetPiece[] {
  const characters = [...snippet];
  const pieces: SnippetPiece[] = [];
  let at = 0;
  for (const [start, end] of matches) {
    pieces.push({ text: characters.slice(at, start).join(""), isMatch: false });
    pieces.push({ text: characters.slice(start, end).join(""), isMatch: true });
    at = end;
  }
  pieces.push({ text: characters.slice(at).join(""), isMatch: false });
  return pieces.filter((piece) => piece.text !== "");
}

/** Remove the signs of Markdown: two lines of a result do not show it. */
function stripMarkdown(text: string): string {
  return text.replace(/\*\*|__|`+|^#{1,6} /gm, "");
}
