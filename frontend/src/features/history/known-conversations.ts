/** The conversations that are known: the first part of the server's list, current by its first page. Pure. */
import type { Conversation } from "@/shared/api/types";

export interface KnownConversations {
  /** The last changed first. */
  items: readonly Conversation[];
  /** Path of the next page; null after the last. */
  next: string | null;
  /** How many there are on the server; null where it did not say. */
  total: number | null;
}

export function appendPage(known: KnownConversations, page: KnownConversations): KnownConversations {
  // A conversation that changed between two requests may be on two pages: it keeps its first place.
  const newer = new Map(page.items.map((one) => [one.id, one]));
  const knownIds = new Set(known.items.map(({ id }) => id));
  const items = [
    ...known.items.map((one) => newer.get(one.id) ?? one),
    ...page.items.filter(({ id }) => !knownIds.has(id)),
  ];
  return { items, next: page.next, total: page.total };
}

/**
 * Bring what is known up to date by a newer first page: whatever changes comes to the top of the list. Null
 * where that does not explain the difference, because one further down was deleted: read all again.
 */
export function mergeFirstPage(
  known: KnownConversations,
  first: KnownConversations,
): KnownConversations | null {
  if (first.next === null || known.items.length <= first.items.length) return first;
  const last = known.items.findIndex(({ id }) => id === first.items.at(-1)?.id);
  if (last < 0) return null;
  const firstIds = new Set(first.items.map(({ id }) => id));
  const rest = known.items.slice(last + 1).filter(({ id }) => !firstIds.has(id));
  if (known.total !== null && first.total !== known.total + countNew(known, first)) return null;
  return { items: [...first.items, ...rest], next: known.next, total: first.total };
}

/** How many of the first page did not exist when the others were read. */
function countNew(known: KnownConversations, first: KnownConversations): number {
  const knownIds = new Set(known.items.map(({ id }) => id));
  const times = known.items.map((one) => Date.parse(one.created_at));
  const newestMs = times.reduce((newest, time) => Math.max(newest, time), 0);
  const isNew = (one: Conversation): boolean => known.next === null || Date.parse(one.created_at) > newestMs;
  return first.items.filter((one) => !knownIds.has(one.id) && isNew(one)).length;
}

export function forgetConversation(known: KnownConversations, id: string): KnownConversations {
  const items = known.items.filter((one) => one.id !== id);
  const isKnown = items.length < known.items.length;
  return isKnown ? { ...known, items, total: known.total === null ? null : known.total - 1 } : known;
}
