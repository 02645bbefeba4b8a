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

const answer = (status: Message["status"], more: Partial<Message> = {}) =>
  ({ id: "a", role: "assistant", status, ...more }) as Message;
const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

/** An answer store whose answers end when the test says so, in a conversation "c". */
function given(
  texts = new TabTexts("q", sessionStorage, () => "me"),
  read?: () => readonly Message[] | null,
) {
  let live: LiveAnswer | null = newLiveAnswer({ kind: "send" });
  let messages: readonly Message[] | null = [answer("streaming")];
  let notify = (): void => undefined;
  let refusal: Problem | null = null;
  const sent: string[] = [];
  const ids: string[] = [];
  let lost: string | null = null;
  const queue: MessageQueue = new MessageQueue({
    answers: {
      get: () => live,
      follow: () => void (live = newLiveAnswer({ kind: "follow" })),
      recover: () => {
        if (lost !== null) live = newLiveAnswer({ kind: "send", question: lost });
      },
      refusal: () => refusal,
      dismiss: () => void (refusal = null),
      subscribe: (listener) => {
        notify = listener;
        return () => undefined;
      },
    },
    send: (_, { id, text }) => {
      if (refusal !== null) return Promise.resolve(false);
      sent.push(text);
      ids.push(id);
      live = newLiveAnswer({ kind: "send" });
      messages = [answer("streaming")];
      return Promise.resolve(true);
    },
    reload: () => Promise.resolve(read ? read() : messages),
    texts,
  });
  /** @param phase null where the page has read what is stored */
  const end = async (
    now: readonly Message[] | null,
    phase: LiveAnswer["phase"] | null = null,
  ): Promise<void> => {
    live = phase === null ? null : newLiveAnswer({ kind: "send", phase });
    messages = now;
    notify();
    await settle();
  };
  const refuse = (code: string): void => void (refusal = { code, message: "" });
  const lose = (text: string | null): void => void (lost = text);
  const shown = () => queue.list("c").map(({ text }) => text);
  return { queue, sent, ids, end, refuse, lose, shown, isFollowing: () => live?.kind === "follow" };
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
    expect(queue.takeBack("c")?.text).toBe("three");
    expect(queue.takeBack("c", queue.list("c")[0]?.id)?.text).toBe("one");
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
    expect(queue.takeReturned("c")?.text).toBe("one\ntwo");
    expect(queue.takeReturned("c")).toBeNull();
  });

  it("gives all back where the server refuses the first", async () => {
    const { queue, end, refuse } = given();
    queue.add("c", "one", "");
    queue.add("c", "two", "");
    refuse("message_too_big");
    await end([answer("complete")]);
    expect(queue.takeReturned("c")?.text).toBe("one\ntwo");
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

  it("waits while the server cannot be asked, and asks again", async () => {
    const messages: { now: readonly Message[] | null } = { now: null };
    const { queue, sent, end, shown } = given(undefined, () => messages.now);
    queue.add("c", "one", "");
    await end(null);
    expect([sent, shown()]).toEqual([[], ["one"]]);
    messages.now = [answer("complete")];
    await settle(3000);
    expect(sent).toEqual(["one"]);
  });

  it.each(["ended", "broken"] as const)(
    "goes on after an answer that is %s and was not read",
    async (phase) => {
      const { queue, sent, end } = given();
      queue.add("c", "one", "");
      await end([answer("complete")], phase);
      expect(sent).toEqual(["one"]);
    },
  );

  it("is sent once from two tabs, of which one is a copy", async () => {
    const { queue, ids } = given();
    queue.add("c", "one", "");
    queue.add("c", "two", "");
    const kept = sessionStorage.getItem("q") ?? "";
    const copy = new TabTexts("q", { ...sessionStorage, getItem: () => kept, setItem: () => {} }, () => "me");
    const other = given(copy);
    await other.end([answer("complete")]);
    const [stored] = other.ids;
    expect(stored).toBe(queue.list("c")[0]?.id);
    const here = given();
    await here.end([answer("complete", { client_message_id: stored ?? null })]);
    expect([ids, here.sent]).toEqual([[], ["two"]]);
  });

  it("lets nothing overtake a text that was on its way when the page was left", async () => {
    given().queue.add("c", "two", "");
    const { queue, sent, end, lose } = given();
    lose("one");
    await end([answer("complete")]);
    expect(sent).toEqual([]);
    queue.giveBack("c", "one");
    lose(null);
    await end([answer("complete")]);
    expect([sent, queue.takeReturned("c")?.text]).toEqual([[], "one\ntwo"]);
  });

  it("keeps what was given back over a reload, also of a conversation that was not made", () => {
    const { queue } = given();
    queue.giveBack("c", "one");
    queue.giveBack(null, "first");
    queue.giveBack("c", "two");
    const after = given().queue;
    expect([after.list("c"), after.hasReturned("c"), after.hasReturned("d")]).toEqual([[], true, false]);
    expect([after.takeReturned("c")?.text, after.takeReturned(null)?.text]).toEqual(["one\ntwo", "first"]);
    expect(given().queue.takeReturned(null)).toBeNull();
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
