/** A dictation over good and bad connections: every byte and every text arrives once. */

import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { FakeSpeechServer } from "./fake-speech-server";
import type { SessionEvent } from "./messages";
import { DictationSession } from "./session";

const nobody = { token: () => Promise.resolve(null), renew: () => Promise.resolve(false) };

function begin(
  server: FakeSpeechServer,
  credentials = nobody as ConstructorParameters<typeof DictationSession>[0]["credentials"],
) {
  const events: SessionEvent[] = [];
  const options = { connect: server.connect, credentials, id: "s", config: { lang: "es" } };
  const session = new DictationSession({ ...options, onEvent: (event) => events.push(event) });
  const states = () => events.flatMap((event) => (event.type === "state" ? [event.state.kind] : []));
  return { session, events, states };
}

/** 100 ms of audio, recognisable. */
function frame(mark: number): ArrayBuffer {
  return new Uint8Array(3200).fill(mark % 251).buffer;
}

function marksOf(heard: readonly number[]): number[] {
  return heard.filter((_, index) => index % 3200 === 0);
}

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a dictation", () => {
  it("sends what was said before it was ready, tells texts, and ends after the last final", async () => {
    const server = new FakeSpeechServer();
    const { session, events, states } = begin(server);
    session.sendAudio(frame(1));
    session.sendAudio(frame(2));
    await settle();
    expect(server.dictation.start).toMatchObject({
      session_id: "s",
      config: { lang: "es", sample_rate: 16_000 },
    });
    expect(marksOf(server.dictation.received)).toEqual([1, 2]);
    server.say("partial", 1, "hola");
    session.stop();
    session.sendAudio(frame(3));
    server.say("final", 1, "Hola.", 200);
    await settle();
    expect(states()).toEqual(["ready", "finishing", "ended"]);
    expect(events.filter((event) => event.type === "partial" || event.type === "final")).toEqual([
      { type: "partial", key: "s.1:1", text: "hola", stable: "" },
      {
        type: "final",
        key: "s.1:1",
        text: "Hola.",
        latency: { totalMs: 0, endpointMs: 300, queueMs: 10, decodeMs: 20, model: "fake" },
        marks: [],
        isJoined: false,
      },
    ]);
    expect(marksOf(server.dictations[0]?.received ?? [])).toEqual([1, 2]);
    expect(server.socket.closedWith).toBe(1000);
  });

  it("answers a flush when the server has", async () => {
    const server = new FakeSpeechServer();
    const { session } = begin(server);
    session.sendAudio(frame(1));
    let isFlushed = false;
    void session.flush().then(() => (isFlushed = true));
    expect(isFlushed).toBe(false);
    await settle();
    expect(isFlushed).toBe(true);
    expect(server.socket.received.map(({ type }) => type)).toEqual(["start", "flush"]);
    session.cancel();
    await session.flush();
  });

  it("measures from the end of speech to the text on the page", async () => {
    const server = new FakeSpeechServer();
    const { session, events } = begin(server);
    await settle();
    for (let mark = 0; mark < 10; mark += 1) {
      await settle(100);
      session.sendAudio(frame(mark));
    }
    await settle(250);
    server.say("final", 1, "one", 600); // of 1000 ms
    await settle();
    expect(events.at(-1)).toMatchObject({ latency: { totalMs: 650 } });
    session.cancel();
  });

  it("goes on where the connection broke off, and says stop when it had come to that", async () => {
    const server = new FakeSpeechServer();
    const { session, events, states } = begin(server);
    session.sendAudio(frame(1));
    await settle();
    server.isDown = true;
    const { dictation } = server;
    server.socket.drop(1006);
    session.sendAudio(frame(2));
    server.emit({ type: "partial", utterance_id: 1, text: "missed", stable: "" }, dictation);
    await settle(5000);
    session.stop();
    expect(states()).toContain("reconnecting");
    server.isDown = false;
    await settle(2000);
    expect(marksOf(dictation.received)).toEqual([1, 2]);
    expect(events.filter((event) => event.type === "partial")).toHaveLength(1);
    expect(states().at(-1)).toBe("ended");
    expect(server.dictations).toHaveLength(1);
  });

  it("looks again for a server that was cut off before it was ready, and loses nothing", async () => {
    const server = new FakeSpeechServer();
    // It has heard of us, and loads its engine.
    server.refusals = [{ type: "speech_started", utterance_id: 0 }];
    const { session, states } = begin(server);
    session.sendAudio(frame(1));
    await settle();
    server.socket.drop(1006);
    session.sendAudio(frame(2));
    await settle();
    expect(states()).toEqual(["reconnecting"]);
    await settle(500);
    expect(states()).toEqual(["reconnecting", "ready"]);
    expect(marksOf(server.dictation.received)).toEqual([1, 2]);
    session.cancel();
  });

  it.each([
    ["the network comes back", () => dispatchEvent(new Event("online"))],
    ["the page is looked at again", () => document.dispatchEvent(new Event("visibilitychange"))],
  ])("tries at once when %s", async (_, comesBack) => {
    const server = new FakeSpeechServer();
    const { session, states } = begin(server);
    await settle();
    server.isDown = true;
    server.socket.drop(1006);
    await settle(9000);
    server.isDown = false;
    const tries = server.sockets.length;
    comesBack();
    await settle();
    expect(server.sockets).toHaveLength(tries + 1);
    expect(states().at(-1)).toBe("ready");
    session.cancel();
  });

  it("notices a server that fell silent", async () => {
    const server = new FakeSpeechServer();
    const { session } = begin(server);
    session.sendAudio(frame(1));
    await settle();
    server.socket.isDead = true;
    session.sendAudio(frame(2));
    await settle(8000);
    expect(server.sockets).toHaveLength(2);
    expect(marksOf(server.dictation.received)).toEqual([1, 2]);
    session.cancel();
  });

  it("notices that too while it waits for the last words", async () => {
    const server = new FakeSpeechServer();
    const { session, states } = begin(server);
    await settle();
    server.socket.isDead = true;
    session.stop();
    await settle(8000);
    expect(states().at(-1)).toBe("ended");
  });

  it("does not take a server for dead that has nothing to say", async () => {
    const server = new FakeSpeechServer();
    const { session } = begin(server);
    await settle(30_000);
    expect(server.sockets).toHaveLength(1);
    session.cancel();
  });

  it("says again to another dictation what no final has come of", async () => {
    const server = new FakeSpeechServer();
    const { session, events } = begin(server);
    [1, 2, 3].forEach((mark) => session.sendAudio(frame(mark)));
    await settle();
    server.say("final", 1, "one", 100);
    server.acknowledge(3);
    server.say("partial", 2, "two thr");
    await settle();
    server.forgets = true;
    server.socket.drop(1012);
    session.sendAudio(frame(4));
    await settle(500);
    expect(marksOf(server.dictation.received)).toEqual([2, 3, 4]);
    server.say("final", 1, "Two three four.", 300);
    await settle();
    const told = events.flatMap((event) =>
      event.type === "final" || event.type === "partial"
        ? [event.key]
        : event.type === "restarted"
          ? ["again"]
          : [],
    );
    expect(told).toEqual(["s.1:1", "s.1:2", "again", "s.2:1"]);
    session.cancel();
  });

  it("goes on with the same dictation where another server has it", async () => {
    const server = new FakeSpeechServer();
    server.survives = true;
    const { session, events, states } = begin(server);
    [1, 2, 3].forEach((mark) => session.sendAudio(frame(mark)));
    await settle();
    server.socket.drop(1012);
    session.sendAudio(frame(4));
    await settle(500);
    expect(server.dictations).toHaveLength(1);
    expect(marksOf(server.dictation.received)).toEqual([1, 2, 3, 4]);
    expect(events.map((event) => event.type)).not.toContain("restarted");
    session.stop();
    await settle(5000);
    expect(states().at(-1)).toBe("ended");
  });

  it("sends a server that died only what it does not have", async () => {
    const server = new FakeSpeechServer();
    const { session } = begin(server);
    for (const mark of [1, 2, 3, 4]) session.sendAudio(frame(mark));
    await settle();
    server.say("final", 1, "One.", 100);
    server.acknowledge(4);
    await settle();
    server.forgets = true;
    server.kept = { safe_ms: 250, from_ms: 100 };
    server.socket.drop(1006);
    session.sendAudio(frame(5));
    await settle(500);
    expect(server.dictation.start).toMatchObject({ config: { continues_dictation: "d1", told_ms: 100 } });
    const heard = server.dictation.received;
    expect(heard.length).toBe(1600 + 2 * 3200);
    expect([heard[0], heard[1600], heard[1600 + 3200]]).toEqual([3, 4, 5]);
    server.acknowledge(3);
    server.say("final", 1, "Two three.", 200); // 300 ms of the dictation that broke off
    await settle();
    server.kept = null;
    server.socket.drop(1006);
    await settle(500);
    expect(server.dictation.start).toMatchObject({ config: { continues_dictation: "d2" } });
    expect(marksOf(server.dictation.received)).toEqual([4, 5]);
    session.cancel();
  });

  it("is resumed once after a fault of the server, and again when an utterance has ended", async () => {
    const server = new FakeSpeechServer();
    const { session, events, states } = begin(server);
    session.sendAudio(frame(1));
    await settle();
    server.socket.breakDown();
    await settle();
    session.sendAudio(frame(2));
    await settle(500);
    expect(states()).toEqual(["ready", "reconnecting", "ready"]);
    server.say("final", 1, "One.", 100);
    await settle();
    server.socket.breakDown();
    await settle();
    await settle(500);
    expect(states().at(-1)).toBe("ready");
    expect(server.dictations).toHaveLength(1);
    expect(marksOf(server.dictation.received)).toEqual([1, 2]);
    server.say("partial", 2, "two");
    await settle();
    server.socket.breakDown();
    await settle();
    expect(events.at(-1)).toMatchObject({ state: { failure: { kind: "refused", detail: "a fault" } } });
    await settle(5000);
    expect(server.sockets).toHaveLength(3);
    session.cancel();
  });

  it("starts anew once after a fault that the server kept nothing of", async () => {
    const server = new FakeSpeechServer();
    const { session, states } = begin(server);
    session.sendAudio(frame(1));
    await settle();
    server.forgets = true;
    server.socket.breakDown();
    await settle();
    await settle(500);
    expect(server.dictations).toHaveLength(2);
    expect(marksOf(server.dictation.received)).toEqual([1]);
    server.socket.breakDown();
    await settle();
    expect(states().at(-1)).toBe("failed");
    session.cancel();
  });

  it("does not go on asking a server that fails before it resumes", async () => {
    const server = new FakeSpeechServer();
    const { states } = begin(server);
    await settle();
    server.isBroken = true;
    server.socket.drop(1006);
    await settle(5000);
    expect(states().at(-1)).toBe("failed");
    expect(server.sockets).toHaveLength(3);
  });

  it("loses and doubles nothing, wherever its connections break", async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant("speak") },
      fc.constantFrom("drop", "acknowledge", "wait", "flush", "forget"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const server = new FakeSpeechServer();
        const { session, states } = begin(server);
        let mark = 0;
        let isForgotten = false;
        for (const one of steps) {
          if (one === "speak") session.sendAudio(frame((mark += 1)));
          if (one === "wait") await settle(3000);
          if (one === "flush") void session.flush();
          if (server.dictations.length === 0) continue;
          if (one === "drop") server.socket.drop(1006);
          if (one === "acknowledge") server.acknowledge();
          if (one === "forget") {
            server.socket.drop(1012);
            isForgotten = true;
          }
        }
        session.stop();
        await settle(5000);
        expect(states().at(-1)).toBe("ended");
        const all = Array.from({ length: mark }, (_, index) => index + 1);
        // Nothing was final: a new one hears it all again.
        expect(marksOf(server.dictation.received)).toEqual(all);
        if (!isForgotten) expect(server.dictations).toHaveLength(1);
      }),
      { numRuns: 150 },
    );
  });
});

describe("what cannot go on", () => {
  it.each([
    ["provider_not_ready", "not_ready"],
    ["language_not_supported", "language"],
    ["unknown_model", "unknown_engine"],
    ["invalid_message", "refused"],
  ])("is a start refused with %s", async (code, kind) => {
    const server = new FakeSpeechServer();
    server.refusals = [{ type: "error", code, message: "pull a model", fatal: false }];
    const { events } = begin(server);
    await settle();
    expect(events.at(-1)).toMatchObject({ state: { failure: { kind, detail: "pull a model" } } });
    expect(server.socket.closedWith).toBe(1000);
  });

  it.each([
    ["server_full", 1013, "busy"],
    ["not_allowed", 1008, "not_allowed"],
    ["engine_failed", 1011, "engine_failed"],
  ])("is a socket closed with %s", async (code, closeCode, kind) => {
    const server = new FakeSpeechServer();
    const { events } = begin(server);
    await settle();
    server.socket.give({ type: "error", code, message: "why", fatal: true, seq: 2 });
    await settle();
    server.socket.drop(closeCode, code);
    await settle();
    expect(events.at(-1)).toMatchObject({ state: { failure: { kind, detail: "why" } } });
  });

  it.each([1001, 1002, 1007, 1011])("is no socket closed with %i and without an error", async (closeCode) => {
    const server = new FakeSpeechServer();
    const { states } = begin(server);
    await settle();
    server.socket.drop(closeCode);
    await settle(5000);
    expect(states().slice(-2)).toEqual(["reconnecting", "ready"]);
  });

  it("is a dictation that goes on in another tab", async () => {
    const server = new FakeSpeechServer();
    const { states, events } = begin(server);
    await settle();
    server.socket.drop(1008, "resumed_elsewhere");
    await settle(5000);
    expect(states().at(-1)).toBe("failed");
    expect(events.at(-1)).toMatchObject({ state: { failure: { kind: "taken_over" } } });
  });
});

describe("a server that is away", () => {
  it.each(["at the first press", "in the middle"])("is waited for as long as it takes: %s", async (when) => {
    const server = new FakeSpeechServer();
    server.isDown = when === "at the first press";
    const { session, events, states } = begin(server);
    await settle();
    server.isDown = true;
    if (when === "in the middle") server.socket.drop(1006);
    for (let second = 0; second < 600; second += 1) {
      session.sendAudio(frame(second));
      await settle(1000);
    }
    expect(states().at(-1)).toBe("reconnecting");
    const waits = events.filter((event) => event.type === "waiting");
    expect(waits.at(-1)).toEqual({
      type: "waiting",
      seconds: 60,
      keeping: "page",
      isEngineKnown: when === "in the middle",
    });
    server.isDown = false;
    server.forgets = true;
    await settle(5000);
    expect(states().at(-1)).toBe("ready");
    session.stop();
    for (let second = 0; second < 5; second += 1) {
      server.acknowledge(undefined, { backlog_ms: 0 });
      await settle(1000);
    }
    expect(marksOf(server.dictation.received)).toEqual(
      Array.from({ length: 600 }, (_, index) => index % 251),
    );
    expect(states().at(-1)).toBe("ended");
  });

  it("is sent no more than it can take: half a minute that is not acknowledged, nor behind a long backlog", async () => {
    const server = new FakeSpeechServer();
    server.isDown = true;
    const { session } = begin(server);
    for (let mark = 0; mark < 1000; mark += 1) session.sendAudio(frame(mark));
    await settle();
    server.isDown = false;
    await settle(3000);
    expect(server.dictation.frames).toBe(300);
    server.acknowledge(200, { backlog_ms: 90_000 });
    await settle();
    expect(server.dictation.frames).toBe(300);
    server.acknowledge(200);
    await settle();
    expect(server.dictation.frames).toBe(500);
    session.cancel();
  });

  it("is waited for with an hour at most", async () => {
    const server = new FakeSpeechServer();
    server.isDown = true;
    const { session, events } = begin(server);
    await settle();
    for (let seconds = 0; seconds < 3599; seconds += 1) session.sendAudio(new ArrayBuffer(32_000));
    expect(events.some(({ type }) => type === "full")).toBe(false);
    session.sendAudio(new ArrayBuffer(32_000));
    expect(events.at(-1)).toEqual({ type: "full" });
    session.cancel();
  });

  it("is not sent again what it heard no speech in", async () => {
    const server = new FakeSpeechServer();
    const { session } = begin(server);
    for (let mark = 1; mark <= 50; mark += 1) session.sendAudio(frame(mark));
    await settle();
    server.acknowledge();
    server.emit({ type: "speech_started", utterance_id: 1, start_ms: 4000 });
    for (let mark = 51; mark <= 100; mark += 1) session.sendAudio(frame(mark));
    await settle();
    server.acknowledge();
    await settle();
    server.forgets = true;
    server.socket.drop(1006);
    await settle(500);
    expect(marksOf(server.dictation.received)).toEqual(Array.from({ length: 70 }, (_, index) => index + 31));
    session.cancel();
  });
});

describe("with accounts", () => {
  it("shows the token first, and the next one before that runs out", async () => {
    const server = new FakeSpeechServer();
    let token = "one";
    const { session } = begin(server, {
      token: () => Promise.resolve(token),
      renew: () => Promise.resolve(false),
    });
    await settle();
    token = "two";
    await settle(21_000);
    const shown = server.socket.received.filter(({ type }) => type === "auth" || type === "start");
    expect(shown.map(({ type, token: text }) => text ?? type)).toEqual(["one", "start", "two"]);
    session.cancel();
  });

  it.each([true, false])("renews a refused token once (renewed: %s)", async (canRenew) => {
    const server = new FakeSpeechServer();
    const renew = vi.fn(() => Promise.resolve(canRenew));
    const { session, states } = begin(server, { token: () => Promise.resolve("old"), renew });
    await settle();
    server.socket.give({ type: "error", code: "unauthorized", message: "", fatal: true, seq: 2 });
    await settle();
    server.socket.drop(1008, "unauthorized");
    await settle(3000);
    expect(renew).toHaveBeenCalledTimes(1);
    expect(states().at(-1)).toBe(canRenew ? "ready" : "failed");
    session.cancel();
  });
});
