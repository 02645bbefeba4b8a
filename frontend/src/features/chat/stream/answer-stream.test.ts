/** An answer comes whole, whatever happens to the line, and is asked for once. */
import { describe, expect, it } from "vitest";

import { ApiError } from "@/shared/api/client";

import { type AnswerEvent, RETRY_MS, streamAnswer } from "./answer-stream";
import { DONE, FakeChatServer, formatSse, type ScriptedAnswer, START } from "./fake-chat-server";

const SEND = { path: "/api/chat/stream", body: { message: "Say hello" } };
const piece = (id: string, content: string) => formatSse(id, "message", { content });

async function follow(answers: ScriptedAnswer[], options: { silenceMs?: number; signal?: AbortSignal } = {}) {
  const server = new FakeChatServer(answers);
  const events: AnswerEvent[] = [];
  const waits: number[] = [];
  let error: unknown = null;
  try {
    const stream = streamAnswer(SEND, {
      api: server,
      signal: new AbortController().signal,
      wait: (ms) => Promise.resolve(void waits.push(ms)),
      ...options,
    });
    for await (const event of stream) events.push(event);
  } catch (thrown) {
    error = thrown;
  }
  const text = events.map((event) => (event.type === "content" ? event.text : "")).join("");
  return { server, events, text, error, waits, types: events.map((event) => event.type) };
}

describe("streamAnswer", () => {
  it("gives what was said until its end", async () => {
    const { types, text, server } = await follow([
      { says: [START + piece("4.0", "Say "), piece("9.0", "hello"), DONE], then: "end" },
    ]);
    expect(types).toEqual(["start", "content", "content", "done"]);
    expect(text).toBe("Say hello");
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toMatchObject({
      path: SEND.path,
      options: { method: "POST", body: SEND.body },
    });
  });

  it.each(["break", "end"] as const)(
    "comes back after the last event when the line is lost (%s)",
    async (then) => {
      const { types, text, server } = await follow([
        { says: [START, piece("4.0", "Say ")], then },
        ApiError.unreachable(),
        { says: [piece("9.0", "hello") + DONE], then: "end" },
      ]);
      expect(text).toBe("Say hello");
      expect(types).toEqual(["start", "content", "lost", "lost", "back", "content", "done"]);
      expect(
        server.requests.slice(1).map(({ path, options }) => [path, options.method, options.headers]),
      ).toEqual([
        ["/api/chat/stream/a", undefined, { "Last-Event-ID": "4.0" }],
        ["/api/chat/stream/a", undefined, { "Last-Event-ID": "4.0" }],
      ]);
    },
  );

  it("takes a line that is silent for too long for lost", async () => {
    const { text, types } = await follow(
      [
        { says: [START, piece("4.0", "Say ")], then: "silence" },
        { says: [piece("9.0", "hello"), DONE], then: "end" },
      ],
      { silenceMs: 5 },
    );
    expect(text).toBe("Say hello");
    expect(types).toContain("lost");
  });

  it("takes a server that does not even answer for lost, and asks it again only for what is stored", async () => {
    const { text } = await follow(
      [
        { says: [START, piece("4.0", "Say ")], then: "break" },
        "nothing",
        { says: [piece("9.0", "hello"), DONE], then: "end" },
      ],
      { silenceMs: 5 },
    );
    expect(text).toBe("Say hello");
    const { error, server } = await follow(["nothing"], { silenceMs: 5 });
    expect(error).toMatchObject({ code: "unreachable", status: 0 });
    expect(server.requests).toHaveLength(1);
  });

  it("never sends a message again whose answer got lost", async () => {
    const { error, server } = await follow([{ says: [], then: "break" }]);
    expect(error).toMatchObject({ code: "unreachable", status: 0 });
    expect(server.requests).toHaveLength(1);
  });

  it("tells a refusal as it is", async () => {
    const { error, events } = await follow([new ApiError("busy", "an answer is under way", 409)]);
    expect(error).toMatchObject({ code: "busy" });
    expect(events).toEqual([]);
  });

  it("gives up after the last try, and after what will not pass", async () => {
    const lost = { says: [START], then: "break" } as const;
    const tried = await follow([lost, ...RETRY_MS.map(() => ApiError.unreachable())]);
    expect(tried.error).toMatchObject({ status: 0 });
    expect(tried.waits).toEqual(RETRY_MS);
    const missing = await follow([lost, new ApiError("not_found", "no such message", 404)]);
    expect(missing.error).toMatchObject({ code: "not_found" });
    expect(missing.waits).toHaveLength(1);
  });

  it("skips events that it does not know", async () => {
    const { types } = await follow([
      {
        says: [START, formatSse("1", "weather", {}), "event: message\ndata: no JSON\n\n", DONE],
        then: "end",
      },
    ]);
    expect(types).toEqual(["start", "done"]);
  });

  it("ends with its reader", async () => {
    const leave = new AbortController();
    leave.abort();
    const { error } = await follow([{ says: [START], then: "break" }], { signal: leave.signal });
    expect(error).toMatchObject({ name: "AbortError" });
  });
});
