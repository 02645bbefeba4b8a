/** Events of tools keep their place in the text, also over a broken connection, as the server stores them. */
import { expect, it } from "vitest";

import { streamAnswer } from "./answer-stream";
import { DONE, FakeChatServer, formatSse, START } from "./fake-chat-server";
import { applyAnswerEvent, type LiveAnswer, newLiveAnswer } from "./live-answer";

const ABOUT = { call_id: "call_1", name: "get_order_details", toolset: "loft" };
const ASKED = { ...ABOUT, arguments: { order_id: "ORD001" } };
const GIVEN = { ...ABOUT, result: "{}", truncated: false, ms: 3 };

it("keeps each event in its place", async () => {
  const server = new FakeChatServer([
    {
      says: [
        START,
        formatSse("4.0", "message", { content: "😀 ah" }),
        formatSse("4.0.1", "tool_call", ASKED),
      ],
      then: "break",
    },
    {
      says: [
        formatSse("4.0.2", "tool_result", GIVEN),
        formatSse("6.0.2", "message", { content: "so" }),
        DONE,
      ],
      then: "end",
    },
  ]);
  const phases: string[] = [];
  let live: LiveAnswer = newLiveAnswer({ kind: "send", question: "?" });
  const options = { api: server, signal: new AbortController().signal, wait: () => Promise.resolve() };
  for await (const event of streamAnswer({ path: "/api/chat/stream", body: {} }, options)) {
    live = applyAnswerEvent(live, event);
    phases.push(live.phase);
  }
  expect(live.content).toBe("😀 ahso");
  expect(live.tools).toEqual([
    { event: "tool_call", text: 4, reasoning: 0, data: ASKED },
    { event: "tool_result", text: 4, reasoning: 0, data: GIVEN },
  ]);
  expect(phases).toEqual([
    "waiting",
    "streaming",
    "streaming",
    "lost",
    "streaming",
    "streaming",
    "streaming",
    "ended",
  ]);
  expect(server.requests.at(-1)?.options.headers).toEqual({ "Last-Event-ID": "4.0.1" });
});

it("knows what is awaited until something arrives, also after a break", async () => {
  const status = (data: object) => formatSse("0.0", "status", { place: null, waited_ms: 0, ...data });
  const server = new FakeChatServer([
    {
      says: [
        START,
        status({ state: "loading" }),
        status({ state: "queued", place: 2 }),
        status({ state: "from_a_newer_server" }),
        status({ state: "working", waited_ms: 12_000 }),
        formatSse("2.0", "message", { content: "ah" }),
        status({ state: "working", waited_ms: 4000 }),
      ],
      then: "break",
    },
    { says: [status({ state: "working", waited_ms: 5000 }), DONE], then: "end" },
  ]);
  const awaited: unknown[] = [];
  let live: LiveAnswer = newLiveAnswer({ kind: "send", question: "?" });
  const options = { api: server, signal: new AbortController().signal, wait: () => Promise.resolve() };
  for await (const event of streamAnswer({ path: "/api/chat/stream", body: {} }, options)) {
    live = applyAnswerEvent(live, event);
    awaited.push(live.awaited);
  }
  expect(awaited).toEqual([
    null,
    { kind: "loading" },
    { kind: "queued", place: 2 },
    { kind: "working", seconds: 12 },
    null,
    { kind: "working", seconds: 4 },
    null, // lost
    null, // back
    { kind: "working", seconds: 5 },
    null,
  ]);
});
