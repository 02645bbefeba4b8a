/** What the jump palette offers for words: actions, conversations by title, places in texts. Pure. */
import type { Conversation, SearchHit } from "@/shared/api/types";
import { foldText } from "@/shared/lib/folding";

import { getPath } from "./search-results";

/** Something that the page does. */
export interface PaletteAction {
  id: string;
  name: string;
  /** The keys that do the same. */
  keys: readonly string[];
  run: () => void;
}

export type PaletteOption =
  | { kind: "action"; key: string; action: PaletteAction }
  | { kind: "conversation"; key: string; title: string; path: string }
  | { kind: "place"; key: string; hit: SearchHit; path: string };

export interface OptionGroup {
  kind: PaletteOption["kind"];
  options: readonly PaletteOption[];
}

/** A list is read from its top: who wants more types another letter. */
const MOST_CONVERSATIONS = 8;
const MOST_PLACES = 12;

/** @param hits what the server found for these words, or for the ones typed before */
export function findOptions(
  typed: string,
  actions: readonly PaletteAction[],
  conversations: readonly Conversation[],
  hits: readonly SearchHit[],
): OptionGroup[] {
  const words = foldText(typed).split(/\s+/).filter(Boolean);
  const matches = (text: string): boolean => words.every((word) => foldText(text).includes(word));
  const titled = hits.filter(({ kind, title }) => kind === "title" && matches(title ?? ""));
  const found = new Map([
    ...conversations.filter(({ title }) => matches(title)).map(({ id, title }) => [id, title] as const),
    ...titled.map(({ conversation_id, title }) => [conversation_id ?? "", title ?? ""] as const),
  ]);
  const actionGroup = actions
    .filter(({ name }) => matches(name))
    .map((action): PaletteOption => ({ kind: "action", key: `action ${action.id}`, action }));
  const conversationGroup = [...found].slice(0, MOST_CONVERSATIONS).map(([id, title]): PaletteOption => ({
    kind: "conversation",
    key: `to ${id}`,
    title,
    path: `/c/${id}`,
  }));
  const placeGroup = (words.length === 0 ? [] : hits.filter(({ kind }) => kind !== "title"))
    .slice(0, MOST_PLACES)
    .map((hit): PaletteOption => ({
      kind: "place",
      key: `at ${getPath(hit)} ${hit.final_n}`,
      hit,
      path: getPath(hit),
    }));
  const groups: OptionGroup[] = [
    { kind: "action", options: actionGroup },
    { kind: "conversation", options: conversationGroup },
    { kind: "place", options: placeGroup },
  ];
  return groups.filter(({ options }) => options.length > 0);
}
