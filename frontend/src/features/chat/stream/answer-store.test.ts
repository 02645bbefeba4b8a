/** AnswerStore on their way: stored, refused, unsure, stopped, given up. */
import { describe, expect, it } from "vitest";

import { ApiError } from "@/shared/api/client";
import type { Message } from "@/shared/api/types";

import { AnswerStore } from "./answer-store";
import { DONE, FakeChatServer, formatSse, type ScriptedAnswer, START } from "./fake-chat-server";

function message(
  id: string,
  role: Message["role"],
  content: string,
  status: Message["status"] = "complete",
): Message {
  return {
    id,
    role,
    content,
    status,
    parent_id: null,
    version_ids: [id],
    reasoning: null,
    timestamp: "2026-11-21T04:00:00Z",
    model: null,
    provider: null,
    finish_reason: null,
    usage: null,
    error: null,
    tool_events: [],
  };
}

function given(script: ScriptedAnswer[], ...reloads: (Message[] | null)[]) {
  const server = new FakeChatServer(script);
  const reload = () => Promise.resolve(reloads.shift() ?? null);
  const announced: string[] = [];
  const announce = (id: string) => void announced.push(id);
  const answers = new AnswerStore({ api: server, reload, announce, wait: () => Promise.resolve() });
  const ended = new Promise<void>((resolve) => {
    answers.subscribe(() => {
      const live = answers.get("c");
      if (live === null || live.phase === "broken" || live.phase === "ended") resolve();
    });
  });
  return { server, answers, ended, announced };
}

describe("AnswerStore", () => {
  it("gives way to what is stored once the answer has ended", async () => {
    const whole = [message("u", "user", "Say hello"), message("a", "assistant", "Say hello")];
    const { answers, ended } = given(
      [{ says: [START, formatSse("9.0", "message", { content: "Say hello" }), DONE], then: "end" }],
      whole,
    );
    expect(await answers.send("c", "Say hello", [])).toBe(true);
    await ended;
    await expect.poll(() => answers.get("c")).toBeNull();
  });

  it("tells other pages when an answer begins and when it is over, but not of one that it only follows", async () => {
    const script: ScriptedAnswer = { says: [START, DONE], then: "end" };
    const { answers, ended, announced } = given([script], []);
    await answers.send("c", "Say hello", []);
    expect(announced).toEqual(["c"]);
    await ended;
    await expect.poll(() => announced).toEqual(["c", "c"]);
    const other = given([{ says: [DONE], then: "end" }], []);
    other.answers.follow("c", "a");
    await other.ended;
    expect(other.announced).toEqual([]);
  });

  it("keeps a refused text out of the conversation, and says why", async () => {
    const { answers } = given([new ApiError("message_too_big", "send less", 413)], []);
    expect(await answers.send("c", "too much", [])).toBe(false);
    expect(answers.get("c")).toBeNull();
    expect(answers.refusal("c")).toEqual({ code: "message_too_big", message: "send less" });
    answers.dismiss("c");
    expect(answers.refusal("c")).toBeNull();
  });

  it("sees that a text was stored although nobody said so", async () => {
    const before = [message("u0", "user", "Say hello"), message("a0", "assistant", "hello")];
    const now = [...before, message("u", "user", "Say hello"), message("a", "assistant", "", "streaming")];
    expect(await given([ApiError.unreachable()], now).answers.send("c", "Say hello", before)).toBe(true);
    const lost = given([ApiError.unreachable()], before).answers;
    expect(await lost.send("c", "Say hello", before)).toBe(false);
    expect(lost.refusal("c")?.code).toBe("unreachable");
  });

  it("lets only one answer be under way", async () => {
    const { answers } = given([{ says: [START], then: "silence" }]);
    expect(await answers.send("c", "one", [])).toBe(true);
    expect(await answers.send("c", "two", [])).toBe(false);
    expect(answers.get("c")?.question).toBe("one");
  });

  it("stops an answer as soon as it has begun", async () => {
    const { answers, server } = given([{ says: [START], then: "silence" }]);
    const kept = answers.send("c", "Say hello", []);
    await answers.stop("c");
    expect(answers.get("c")).toMatchObject({ phase: "sending", isStopping: true });
    await kept;
    await expect.poll(() => server.requests.at(-1)?.path).toBe("/api/conversations/c/stop");
  });

  it("shows what came of an answer that was given up", async () => {
    const { answers, ended } = given([
      { says: [START, formatSse("4.0", "message", { content: "Say " })], then: "break" },
      new ApiError("unauthorized", "log in", 401),
    ]);
    await answers.send("c", "Say hello", []);
    await ended;
    expect(answers.get("c")).toMatchObject({
      phase: "broken",
      content: "Say ",
      problem: { code: "unauthorized" },
    });
  });

  it("looks again for an answer that was given up, and gives way to it once the server is there", async () => {
    const whole = [message("u", "user", "Say hello"), message("a", "assistant", "Say hello")];
    const { answers, ended } = given(
      [{ says: [START], then: "break" }, new ApiError("unauthorized", "log in", 401)],
      null,
      null,
      whole,
    );
    await answers.send("c", "Say hello", []);
    await ended;
    await answers.resume("c");
    expect(answers.get("c")?.phase).toBe("broken");
    await answers.resume("c");
    expect(answers.get("c")).toBeNull();
  });
});
