/** Conversations by title, known here or found by the server; texts behind them; the page's actions. */
import { expect, test } from "vitest";

import type { Conversation, SearchHit } from "@/shared/api/types";

import { findOptions, type PaletteAction } from "./palette-options";

const actions: PaletteAction[] = ["New conversation", "Settings"].map((name) => ({
  id: name,
  name,
  keys: [],
  run: () => undefined,
}));
const known = ["Camping in Galicia", "Canción de cuna", "Taxes"].map(
  (title, index) => ({ id: `c${index}`, title }) as Conversation,
);
const hit = (kind: SearchHit["kind"], id: string, title: string): SearchHit =>
  ({
    kind,
    conversation_id: id,
    title,
    message_id: kind === "message" ? "m" : null,
    dictation_id: null,
    final_n: null,
  }) as SearchHit;

const show = (typed: string, hits: SearchHit[] = []) =>
  findOptions(typed, actions, known, hits).map(({ kind, options }) => [kind, options.map(({ key }) => key)]);

test("before anything is typed: the actions and what was changed last", () => {
  expect(show("")).toEqual([
    ["action", ["action New conversation", "action Settings"]],
    ["conversation", ["to c0", "to c1", "to c2"]],
  ]);
});

test("words match in any order, without case and accents", () => {
  expect(show("CUNA cancion")).toEqual([["conversation", ["to c1"]]]);
  expect(show("sett")).toEqual([["action", ["action Settings"]]]);
});

test("a title that only the server knows is offered once, and one found for other words not at all", () => {
  expect(show("camp", [hit("title", "c0", "Camping in Galicia"), hit("title", "z", "A camp fire")])).toEqual([
    ["conversation", ["to c0", "to z"]],
  ]);
  expect(show("taxe", [hit("title", "z", "A camp fire")])).toEqual([["conversation", ["to c2"]]]);
});

test("texts come behind the titles, and not before something is typed", () => {
  const place = hit("message", "c2", "Taxes");
  expect(show("camp", [place])).toEqual([
    ["conversation", ["to c0"]],
    ["place", ["at /c/c2/m null"]],
  ]);
  expect(show("", [place]).map(([kind]) => kind)).toEqual(["action", "conversation"]);
});
