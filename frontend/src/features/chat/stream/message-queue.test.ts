/** Messages that wait for an answer: in order, once each, over a reload, or back to the field. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Message } from "@/shared/api/types";
import { TabTexts } from "@/shared/lib/tab-texts";

import { type LiveAnswer, newLiveAnswer, type Problem } from "./live-answer";
import { MessageQueue } from "./message-queue";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  sessionStorage.clear();
});

const answer = (status: Message["status"]) => ({ id: "a", role: "assistant", status }) as Message;
const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

/** An answer store whose answers end when the test says so, in a conversation "c". */
function given(texts = new TabTexts("q", sessionStorage, () => "me")) {
  let live: LiveAnswer | null = newLiveAnswer({ kind: "send" });
  let messages: readonly Message[] | null = [answer("streaming")];
  let notify = (): void => undefined;
  let refusal: Problem | null = null;
  const sent: string[] = [];
  const queue = new MessageQueue({
    answers: {
      get: () => live,
      follow: () => void (live = newLiveAnswer({ kind: "follow" })),
      refusal: () => refusal,
      dismiss: () => void (refusal = null),
      subscribe: (listener) => {
        notify = listener;
        return () => undefined;
      },
    },
    send: (_, { text }) => {
      if (refusal !== null) return Promise.resolve(false);
      sent.push(text);
      live = newLiveAnswer({ kind: "send" });
      messages = [answer("streaming")];
      return Promise.resolve(true);
    },
    reload: () => Promise.resolve(messages),
    texts,
  });
  const end = async (now: readonly Message[] | null): Promise<void> => {
    live = null;
    messages = now;
    notify();
    await settle();
  };
  const refuse = (code: string): void => void (refusal = { code, message: "" });
  const shown = () => queue.list("c").map(({ text }) => text);
  return { queue, sent, end, refuse, shown, isFollowing: () => live?.kind === "follow" };
}

describe("MessageQueue", () => {
  it("sends one after the other, each when the answer before it is complete", async () => {
    const { queue, sent, end, shown } = given();
    queue.add("c", "one", "");
    queue.add("c", "two", "");
    await settle();
    expect([sent, shown()]).toEqual([[], ["one", "two"]]);
    await end([answer("complete")]);
    expect([sent, shown()]).toEqual([["one"], ["two"]]);
    await end([answer("complete")]);
    expect([sent, shown()]).toEqual([["one", "two"], []]);
  });

  it("sends at once what comes when the answer has just ended", async () => {
    const { queue, sent, end } = given();
    await end([answer("complete")]);
    queue.add("c", "late", "");
    await settle();
    expect(sent).toEqual(["late"]);
  });

  it("gives one back, the last one first", () => {
    const { queue, shown } = given();
    for (const text of ["one", "two", "three"]) queue.add("c", text, "");
    expect(queue.takeBack("c")).toBe("three");
    expect(queue.takeBack("c", queue.list("c")[0]?.id)).toBe("one");
    expect(shown()).toEqual(["two"]);
    expect(queue.takeBack("c", "unknown")).toBeNull();
  });

  it.each(["interrupted", "failed"] as const)("gives all back where the answer was %s", async (status) => {
    const { queue, sent, end, shown } = given();
    queue.add("c", "one", "");
    queue.add("c", "two", "");
    await end([answer(status)]);
    expect([sent, shown()]).toEqual([[], []]);
    expect(queue.hasReturned("c")).toBe(true);
    expect(queue.takeReturned("c")).toBe("one\ntwo");
    expect(queue.takeReturned("c")).toBeNull();
  });

  it("gives all back where the server refuses the first", async () => {
    const { queue, end, refuse } = given();
    queue.add("c", "one", "");
    queue.add("c", "two", "");
    refuse("message_too_big");
    await end([answer("complete")]);
    expect(queue.takeReturned("c")).toBe("one\ntwo");
  });

  it("waits for the answer of another tab that was faster", async () => {
    const { queue, sent, end, shown, refuse, isFollowing } = given();
    queue.add("c", "one", "");
    refuse("busy");
    await end([answer("complete")]);
    expect([sent, shown()]).toEqual([[], ["one"]]);
    await end([answer("streaming")]);
    await settle(1000);
    expect(isFollowing()).toBe(true);
    await end([answer("complete")]);
    expect(sent).toEqual(["one"]);
  });

  it("waits while the server cannot be asked", async () => {
    const { queue, sent, end, shown } = given();
    queue.add("c", "one", "");
    await end(null);
    expect([sent, shown()]).toEqual([[], ["one"]]);
    await end([answer("complete")]);
    expect(sent).toEqual(["one"]);
  });

  it("survives a reload, for its user alone", async () => {
    given().queue.add("c", "one", "echo");
    const texts = new TabTexts("q", sessionStorage, () => "me");
    texts.set("x", "no list");
    const { queue, sent, end, shown } = given(texts);
    expect(queue.list("x")).toEqual([]);
    expect(shown()).toEqual(["one"]);
    expect(given(new TabTexts("q", sessionStorage, () => "somebody else")).shown()).toEqual([]);
    await end([answer("complete")]);
    expect(sent).toEqual(["one"]);
  });
});
