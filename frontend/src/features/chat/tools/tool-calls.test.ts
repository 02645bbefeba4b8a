/** Calls of tools as their events tell them, in order, live and stored alike. */
import fc from "fast-check";
import i18next from "i18next";
import { describe, expect, it } from "vitest";

import { startI18n } from "@/i18n/i18n";
import type { ToolEvent } from "@/shared/api/types";

import { CALL, newToolEvent } from "./fake-tool-calls";
import { collectToolCalls, countCharacters, nameTool, splitAnswer } from "./tool-calls";

const event = newToolEvent;
const ASKED = event("approval_required", {
  arguments: {},
  message_id: "a",
  expires_at: "2026-11-21T04:05:00Z",
});
const states = (events: ToolEvent[], isOver = false) =>
  collectToolCalls(events, isOver).map(({ state }) => state);

describe("toolCalls", () => {
  it("runs from its call to its result", () => {
    expect(collectToolCalls([CALL], false)).toMatchObject([
      {
        name: "get_order_details",
        toolset: "loft",
        args: { order_id: "ORD001" },
        state: "running",
        ms: null,
      },
    ]);
    const result = event("tool_result", { result: '{"found":true}', truncated: true, ms: 12 });
    expect(collectToolCalls([CALL, result], true)).toMatchObject([
      { state: "done", result: '{"found":true}', isTruncated: true, ms: 12, error: null },
    ]);
  });

  it.each([
    ["denied", "denied"],
    ["approval_expired", "expired"],
    ["stopped", "stopped"],
    ["interrupted", "stopped"],
    ["no_approval", "failed"],
    ["tool_timeout", "failed"],
    ["a code of tomorrow", "failed"],
  ])("ends with the error %s as %s", (code, state) => {
    const [call] = collectToolCalls([CALL, event("tool_error", { code, error: "why", ms: null })], false);
    expect(call).toMatchObject({ state, error: { code, message: "why" }, ms: null });
  });

  it("asks, and goes on as it was decided", () => {
    expect(collectToolCalls([CALL, ASKED], false)).toMatchObject([
      { state: "asking", expiresAt: "2026-11-21T04:05:00Z", args: { order_id: "ORD001" } },
    ]);
    const decided = (decision: string) => [CALL, ASKED, event("approval_decided", { decision })];
    expect(states(decided("approved"))).toEqual(["running"]);
    expect(states(decided("denied"))).toEqual(["denied"]);
    expect(states(decided("expired"))).toEqual(["expired"]);
  });

  it("ends with its answer where it has no end of its own", () => {
    expect(states([CALL], true)).toEqual(["stopped"]);
    expect(states([CALL, ASKED], true)).toEqual(["stopped"]);
  });

  it("keeps calls apart, in the order in which they began", () => {
    const other = (name: ToolEvent["event"], data: object) => event(name, { ...data, call_id: "call_2" });
    const events = [CALL, other("tool_call", {}), event("tool_result", { result: "1" })];
    expect(collectToolCalls(events, false).map(({ id, state }) => [id, state])).toEqual([
      ["call_1", "done"],
      ["call_2", "running"],
    ]);
  });

  it("takes data that is not as it should be", () => {
    const odd: ToolEvent = {
      event: "tool_result",
      text: 0,
      reasoning: 0,
      data: { call_id: 7, result: null, ms: "x" },
    };
    expect(collectToolCalls([odd], false)).toMatchObject([
      { id: "", name: "", state: "done", result: "", ms: null },
    ]);
  });
});

describe("splitAnswer", () => {
  const at = (place: number, id: string) =>
    collectToolCalls([event("tool_call", { call_id: id }, place)], false)[0] as ReturnType<
      typeof collectToolCalls
    >[number];
  const shape = (content: string, ...calls: ReturnType<typeof at>[]) =>
    splitAnswer(content, calls).map((part) => part.text ?? part.calls?.map(({ id }) => id));

  it("puts each call where it was made", () => {
    expect(shape("Let me look. It is on its way.", at(13, "a"))).toEqual([
      "Let me look. ",
      ["a"],
      "It is on its way.",
    ]);
    expect(shape("Hello", at(0, "a"), at(0, "b"), at(5, "c"))).toEqual([["a", "b"], "Hello", ["c"]]);
  });

  it("counts in countCharacters of Unicode", () => {
    expect(shape("😀 ñ done", at(4, "a"))).toEqual(["😀 ñ ", ["a"], "done"]);
  });

  it("waits for no text", () => {
    expect(shape("", at(40, "a"), at(90, "b"))).toEqual([["a", "b"]]);
    expect(shape("Let", at(40, "a"))).toEqual(["Let", ["a"]]);
  });

  it("neither loses nor doubles a word or a call", () => {
    const content = fc.string({ unit: "grapheme", maxLength: 30 });
    fc.assert(
      fc.property(content, fc.array(fc.nat(40), { maxLength: 5 }), (text, places) => {
        const calls = places.sort((one, other) => one - other).map((place, n) => at(place, String(n)));
        const parts = splitAnswer(text, calls);
        const bare = (words: string) => words.replace(/\s/g, "");
        expect(bare(parts.map((part) => part.text ?? "").join(""))).toBe(bare(text));
        expect(parts.flatMap((part) => part.calls ?? [])).toEqual(calls);
      }),
    );
  });

  it("agrees with Array.from about length", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => countCharacters(text) === Array.from(text).length),
    );
  });
});

describe("what a call does, in words", () => {
  it.each([
    [{ toolset: "loft", name: "get_order_details" }, "Looks up an order"],
    [{ toolset: "plugin", name: "get_order_details" }, "Get order details"],
    [{ toolset: "plugin", name: "cancel_order\u202e" }, "Cancel order\\u202e"],
  ])("%j", async (call, words) => {
    await startI18n("en");
    expect(nameTool(i18next.t, call)).toBe(words);
  });
});
