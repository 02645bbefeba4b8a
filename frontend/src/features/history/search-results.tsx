/** The results of a search, one group for each conversation, with the words that were found marked. */
import { FileAudio, MessageSquare, SearchX } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { SearchHit } from "@/shared/api/types";
import { formatShortDate } from "@/shared/lib/formats";
import { EmptyState } from "@/shared/ui/empty-state";

const KINDS = {
  message: { icon: MessageSquare, text: "history.inMessage" },
  dictation: { icon: FileAudio, text: "history.inDictation" },
} as const;

/** So many places of one conversation are shown at first. */
const FIRST_PLACES = 3;

/** A conversation or dictation with the places in it that were found. */
export interface ResultGroup {
  key: string;
  /** Its name, where that was found: it heads the group. */
  name: SearchHit | null;
  places: SearchHit[];
  /** The newest of all. */
  newest: SearchHit;
}

/** One group for each conversation, in the order of its newest place; the same words are shown once. */
export function groupHits(hits: readonly SearchHit[]): ResultGroup[] {
  const groups = new Map<string, ResultGroup>();
  for (const hit of hits) {
    const key = hit.dictation_id ?? hit.conversation_id ?? "";
    const group = groups.get(key) ?? { key, name: null, places: [], newest: hit };
    groups.set(key, group);
    if (hit.kind === "title") group.name = hit;
    else if (!group.places.some(({ snippet }) => snippet === hit.snippet)) group.places.push(hit);
  }
  return [...groups.values()];
}

interface ResultsProps {
  hits: readonly SearchHit[];
  words: string;
  onOpen: () => void;
  onClear: () => void;
}

export function SearchResults({ hits, words, onOpen, onClear }: ResultsProps) {
  const { t } = useTranslation();
  const groups = groupHits(hits);
  if (hits.length === 0)
    return (
      <EmptyState
        Icon={SearchX}
        title={t("history.nothingFound", { words })}
        text={t("history.nothingFoundHint")}
        isResult
      >
        <button type="button" className="button min-h-11" onClick={onClear}>
          {t("history.clearSearch")}
        </button>
      </EmptyState>
    );
  return (
    <>
      <p role="status" className="sr-only">
        {`${t("history.results")}: ${groups.length}`}
      </p>
      <ul aria-label={t("history.results")} className="space-y-2">
        {groups.map((group) => (
          <li key={group.key}>
            <Group group={group} onOpen={onOpen} />
          </li>
        ))}
      </ul>
    </>
  );
}

function Group({ group, onOpen }: { group: ResultGroup; onOpen: () => void }) {
  const { t, i18n } = useTranslation();
  const [isWhole, setWhole] = useState(false);
  const { name, newest } = group;
  const { icon: Icon, text } = KINDS[newest.kind === "dictation" ? "dictation" : "message"];
  const shown = isWhole ? group.places : group.places.slice(0, FIRST_PLACES);
  const more = group.places.length - shown.length;
  return (
    <div role="group" aria-label={newest.title ?? t(text)}>
      <Link
        data-entry
        href={getGroupPath(newest)}
        onClick={onOpen}
        className="flex min-h-target items-center gap-1.5 rounded-lg px-3 py-1 text-sm font-medium hover:bg-raised"
      >
        <Icon size={14} aria-hidden className="shrink-0 text-muted" />
        <span className="line-clamp-2 min-w-0 flex-1 break-words">
          {name === null ? (newest.title ?? t(text)) : <Snippet hit={name} />}
        </span>
        <span className="shrink-0 text-xs font-normal text-muted">
          {formatShortDate(newest.created_at, i18n.language)}
        </span>
      </Link>
      {shown.length > 0 && (
        <ul>
          {shown.map((hit, place) => (
            <li key={`${hit.message_id ?? ""} ${hit.final_n ?? place}`}>
              <Link
                data-entry
                href={getPath(hit)}
                onClick={onOpen}
                className="flex items-center rounded-lg py-1 pl-8 pr-3 touch:min-h-target text-sm text-muted hover:bg-raised hover:text-ink"
              >
                <span className="line-clamp-2">
                  <Snippet hit={hit} />
                </span>
              </Link>
            </li>
          ))}
        </ul>
      )}
      {more > 0 && (
        <button type="button" data-entry className="button-quiet ml-6 text-xs" onClick={() => setWhole(true)}>
          {t("history.morePlaces", { count: more })}
        </button>
      )}
    </div>
  );
}

export function Snippet({ hit }: { hit: SearchHit }) {
  return splitSnippet(hit.snippet, hit.matches).map((piece, place) =>
    piece.isMatch ? (
      <mark key={place} className="rounded bg-accent/25 text-ink">
        {stripMarkdown(piece.text)}
      </mark>
    ) : (
      stripMarkdown(piece.text)
    ),
  );
}

function getGroupPath(hit: SearchHit): string {
  return hit.dictation_id === null ? `/c/${hit.conversation_id}` : `/dictations/${hit.dictation_id}`;
}

export function getPath(hit: SearchHit): string {
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
