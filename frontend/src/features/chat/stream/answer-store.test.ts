/** AnswerStore on their way: stored, refused, unsure, stopped, given up. */
import { describe, expect, it } from "vitest";

import { ApiError } from "@/shared/api/client";
import type { Message } from "@/shared/api/types";
import { TabTexts } from "@/shared/lib/tab-texts";

import { AnswerStore } from "./answer-store";
import { DONE, FakeChatServer, formatSse, type ScriptedAnswer, START } from "./fake-chat-server";
import { OUTGOING_KEY, OutgoingTexts } from "./outgoing-texts";

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
    client_message_id: null,
    tool_events: [],
    attachments: [],
  };
}

type Reload = Message[] | null | (() => Message[] | Promise<Message[]>);

function given(script: ScriptedAnswer[], ...reloads: Reload[]) {
  const server = new FakeChatServer(script);
  const reload = async () => {
    const next = reloads.length > 1 ? reloads.shift() : reloads[0];
    return typeof next === "function" ? next() : (next ?? null);
  };
  const announced: string[] = [];
  const announce = (id: string) => void announced.push(id);
  const back: string[] = [];
  const giveBack = (_: string, text: string) => void back.push(text);
  const answers = new AnswerStore({ api: server, reload, announce, giveBack, wait: () => Promise.resolve() });
  const ended = new Promise<void>((resolve) => {
    answers.subscribe(() => {
      const live = answers.get("c");
      if (live === null || live.phase === "broken" || live.phase === "ended") resolve();
    });
  });
  return { server, answers, ended, announced, back };
}

function gate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

const idOf = (body: unknown) => (body as { client_message_id: string }).client_message_id;

const lastId = ({ server }: { server: FakeChatServer }) => idOf(server.requests.at(-1)?.options.body);

/** The message that the last request has made. */
const sent = (of: { server: FakeChatServer }, id: string): Message => ({
  ...message(id, "user", "whatever it says"),
  client_message_id: lastId(of),
});

const streaming = (id: string) => message(id, "assistant", "", "streaming");

const fakeStorage = (kept: Map<string, string>) => ({
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => void kept.set(key, value),
  removeItem: (key: string) => void kept.delete(key),
});

describe("AnswerStore", () => {
  it("gives way to what is stored once the answer has ended", async () => {
    const whole = [message("u", "user", "Say hello"), message("a", "assistant", "Say hello")];
    const { answers, ended } = given(
      [{ says: [START, formatSse("9.0", "message", { content: "Say hello" }), DONE], then: "end" }],
      whole,
    );
    expect(await answers.send("c", "Say hello")).toBe(true);
    await ended;
    await expect.poll(() => answers.get("c")).toBeNull();
  });

  it("tells other pages when an answer begins and when it is over, but not of one that it only follows", async () => {
    const script: ScriptedAnswer = { says: [START, DONE], then: "end" };
    const { answers, ended, announced } = given([script], []);
    await answers.send("c", "Say hello");
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
    expect(await answers.send("c", "too much")).toBe(false);
    expect(answers.get("c")).toBeNull();
    expect(answers.refusal("c")).toMatchObject({ code: "message_too_big", message: "send less" });
    answers.dismiss("c");
    expect(answers.refusal("c")).toBeNull();
  });

  it("looks for a text that was not answered, and takes it for stored only by its own id", async () => {
    const sameText = [message("u0", "user", "Say hello"), message("a0", "assistant", "hello")];
    const found = given([ApiError.unreachable()], () => [...sameText, sent(found, "u"), streaming("a")]);
    expect(await found.answers.send("c", "Say hello")).toBe(true);
    expect(found.back).toEqual([]);
    const lost = given([ApiError.unreachable()], sameText);
    expect(await lost.answers.send("c", "Say hello")).toBe(false);
    expect(lost.answers.refusal("c")?.code).toBe("not_arrived");
    expect(lost.back).toEqual(["Say hello"]);
  });

  it("says that it is not known whether a text arrived, until the server can be asked", async () => {
    const gone = gate();
    const unasked = () => gone.opened.then(() => []);
    const { answers, server, back } = given([ApiError.unreachable()], null, null, unasked);
    const phases = new Set<string | undefined>();
    answers.subscribe(() => void phases.add(answers.get("c")?.phase));
    const stored = answers.send("c", "transfer 100 euros");
    await expect.poll(() => answers.get("c")?.phase).toBe("uncertain");
    expect(await answers.send("c", "transfer 100 euros")).toBe(false); // Enter makes no third
    expect([back, answers.refusal("c"), server.requests.length]).toEqual([[], null, 1]);
    gone.open();
    expect(await stored).toBe(false);
    expect([back, answers.get("c")]).toEqual([["transfer 100 euros"], null]);
  });

  it("sends a text that was given back under the same id, should the first one arrive late after all", async () => {
    const { answers, server } = given([ApiError.unreachable(), ApiError.unreachable()], [], []);
    await answers.send("c", "hello");
    await answers.send("c", "hello");
    await answers.send("c", "hello!");
    await answers.send("d", "hello");
    const ids = server.requests.map(({ options }) => idOf(options.body));
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(3);
  });

  it("gives each of two equal texts an id of its own", async () => {
    const answer: ScriptedAnswer = { says: [START, DONE], then: "end" };
    const { answers, server } = given([answer, answer], [], []);
    for (const path of [1, 2]) {
      expect(await answers.send("c", "yes"), String(path)).toBe(true);
      await expect.poll(() => answers.get("c")).toBeNull();
    }
    const ids = server.requests.map(({ options }) => idOf(options.body));
    expect(ids[0]).not.toBe(ids[1]);
  });

  it("asks where a proxy answers for its server, and not where the server itself refuses", async () => {
    const proxy = given([new ApiError("http_error", "502", 502)], () => [sent(proxy, "u")]);
    expect(await proxy.answers.send("c", "hello")).toBe(true);
    const full = given([new ApiError("server_full", "full", 503)], []);
    expect(await full.answers.send("c", "hello")).toBe(false);
    expect(full.answers.refusal("c")?.code).toBe("server_full");
  });

  it("looks in the same way for an edit and for another answer", async () => {
    const edited = given([ApiError.unreachable()], () => [sent(edited, "u2")]);
    expect(await edited.answers.edit("c", "u", "hi")).toBe(true);
    const again = given([ApiError.unreachable()], () => [
      { ...streaming("a2"), client_message_id: lastId(again) },
    ]);
    expect(await again.answers.regenerate("c", "a", "a")).toBe(true);
    const lost = given([ApiError.unreachable()], []);
    expect(await lost.answers.edit("c", "u", "hi")).toBe(false);
    expect(lost.back).toEqual([]); // the field of the edit has it still
  });

  it("says of another answer that was not asked for what to do, as nothing is in the field", async () => {
    const { answers } = given([ApiError.unreachable()], []);
    expect(await answers.regenerate("c", "a", "a")).toBe(false);
    expect(answers.refusal("c")?.code).toBe("request_not_arrived");
  });

  it("sends a text that has an id already under that one", async () => {
    const { answers, server } = given([{ says: [START, DONE], then: "end" }], []);
    await answers.send("c", "hello", "", { clientMessageId: "its own" });
    expect(idOf(server.requests[0]?.options.body)).toBe("its own");
  });

  it("stops an answer that was to be stopped while it was not known whether it arrived", async () => {
    const back = gate();
    const lost = given([ApiError.unreachable()], null, () =>
      back.opened.then(() => [sent(lost, "u"), streaming("a")]),
    );
    const stored = lost.answers.send("c", "hello");
    await expect.poll(() => lost.answers.get("c")?.phase).toBe("uncertain");
    await lost.answers.stop("c");
    expect(lost.server.requests).toHaveLength(1);
    back.open();
    expect(await stored).toBe(true);
    await expect.poll(() => lost.server.requests.at(-1)?.path).toBe("/api/conversations/c/stop");
  });

  it("goes on after a reload with a text that was on its way, once", async () => {
    const storage = new Map<string, string>();
    const tab = () => new OutgoingTexts(new TabTexts(OUTGOING_KEY, fakeStorage(storage), () => "ana"));
    const before = given([], null);
    before.server.response = () => new Promise(() => undefined);
    const first = new AnswerStore({
      api: before.server,
      reload: () => Promise.resolve(null),
      giveBack: () => undefined,
      outgoing: tab(),
    });
    void first.send("c", "hello");
    const { clientMessageId } = first.get("c") ?? {};
    const back = gate();
    const returned: (string | boolean)[] = [];
    const after = new AnswerStore({
      api: before.server,
      reload: () => back.opened.then(() => []),
      giveBack: (_, text) => returned.push(text, storage.size > 0), // never in neither of the two
      outgoing: tab(),
    });
    after.recover("d");
    after.recover("c");
    after.recover("c");
    expect(after.get("d")).toBeNull();
    expect(after.get("c")).toMatchObject({ question: "hello", clientMessageId });
    back.open();
    await expect.poll(() => returned).toEqual(["hello", true]);
    expect(storage.size).toBe(0);
  });

  it("lets only one answer be under way", async () => {
    const { answers } = given([{ says: [START], then: "silence" }]);
    expect(await answers.send("c", "one")).toBe(true);
    expect(await answers.send("c", "two")).toBe(false);
    expect(answers.get("c")?.question).toBe("one");
  });

  it("stops an answer as soon as it has begun", async () => {
    const { answers, server } = given([{ says: [START], then: "silence" }]);
    const kept = answers.send("c", "Say hello");
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
    await answers.send("c", "Say hello");
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
    await answers.send("c", "Say hello");
    await ended;
    await answers.resume("c");
    expect(answers.get("c")?.phase).toBe("broken");
    await answers.resume("c");
    expect(answers.get("c")).toBeNull();
  });
});
