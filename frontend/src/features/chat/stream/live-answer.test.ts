/** What tools do arrives between the words, once, also over a line that broke; it is what the server stores. */
import { expect, it } from "vitest";

import { answerEvents } from "./answer-stream";
import { DONE, FakeChatServer, sse, START } from "./fake-chat-server";
import { after, begun, type LiveAnswer } from "./live-answer";

const ABOUT = { call_id: "call_1", name: "get_order_details", toolset: "loft" };
const ASKED = { ...ABOUT, arguments: { order_id: "ORD001" } };
const GIVEN = { ...ABOUT, result: "{}", truncated: false, ms: 3 };

it("keeps each event in its place", async () => {
  const server = new FakeChatServer([
    {
      says: [START, sse("4.0", "message", { content: "😀 ah" }), sse("4.0.1", "tool_call", ASKED)],
      then: "break",
    },
    {
      says: [sse("4.0.2", "tool_result", GIVEN), sse("6.0.2", "message", { content: "so" }), DONE],
      then: "end",
    },
  ]);
  const phases: string[] = [];
  let live: LiveAnswer = begun({ kind: "send", question: "?" });
  const options = { api: server, signal: new AbortController().signal, wait: () => Promise.resolve() };
  for await (const event of answerEvents({ path: "/api/chat/stream", body: {} }, options)) {
    live = after(live, event);
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
  expect(server.asked.at(-1)?.ask.headers).toEqual({ "Last-Event-ID": "4.0.1" });
});
