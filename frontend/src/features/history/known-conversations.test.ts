/** A list of thousands is kept current by its first page, and read again only where that does not do. */
import { expect, test } from "vitest";

import type { Conversation } from "@/shared/api/types";

import {
  appendPage,
  forgetConversation,
  type KnownConversations,
  mergeFirstPage,
} from "./known-conversations";

/** Named by numbers, the larger the newer. */
const conversation = (n: number, title = `c${n}`): Conversation =>
  ({ id: String(n), title, created_at: new Date(n * 1000).toISOString() }) as Conversation;
const list = (numbers: readonly number[], next: string | null, total: number | null): KnownConversations => ({
  items: numbers.map((n) => conversation(n)),
  next,
  total,
});
const ids = (known: KnownConversations | null) => known?.items.map(({ id }) => Number(id));

const known = list([9, 8, 7, 6, 5, 4], "/next?before=4", 20);

test("a page is added once, and what is known twice is the newer one", () => {
  const page = { ...list([4, 3], null, 20), items: [conversation(4, "renamed"), conversation(3)] };
  const both = appendPage(known, page);
  expect(ids(both)).toEqual([9, 8, 7, 6, 5, 4, 3]);
  expect(both.items[5]?.title).toBe("renamed");
  expect(both.next).toBeNull();
});

test("what changed or is new comes to the top; the rest stays known", () => {
  const merged = mergeFirstPage(known, list([5, 10, 9], "/next", 21));
  expect(ids(merged)).toEqual([5, 10, 9, 8, 7, 6, 4]);
  expect(merged).toMatchObject({ next: "/next?before=4", total: 21 });
  expect(ids(mergeFirstPage(known, list([1, 9, 8], "/next", 20)))).toEqual([1, 9, 8, 7, 6, 5, 4]); // not known before
});

test("one that was deleted further down, or too many changes, are read again", () => {
  expect(mergeFirstPage(known, list([9, 8, 7], "/next", 19))).toBeNull();
  expect(mergeFirstPage(list([9, 8, 7, 6], null, 4), list([10, 9, 8], "/next", 4))).toBeNull();
  expect(mergeFirstPage(known, list([30, 29, 28], "/next", 23))).toBeNull();
  expect(ids(mergeFirstPage(known, list([9], null, 1)))).toEqual([9]);
});

test("a deleted conversation is forgotten and counted off, one that is not known changes nothing", () => {
  expect(forgetConversation(known, "7")).toMatchObject({ total: 19 });
  expect(ids(forgetConversation(known, "7"))).toEqual([9, 8, 6, 5, 4]);
  expect(forgetConversation(known, "1")).toBe(known);
});
