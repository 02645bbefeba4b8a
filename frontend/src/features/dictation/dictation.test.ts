/** Microphone, socket and text together: no way to start, end or fail leaves anything open or lost. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { FakeMicrophones } from "./audio/fake-microphone";
import { FakeSpeechServer } from "./client/fake-speech-server";
import { ComposerStore } from "./composer/composer-store";
import { listMarks } from "./composer/model";
import { Dictation } from "./dictation";
import { prependText, takeText } from "./drafts";

function made({ endsUtterances = true } = {}) {
  const server = new FakeSpeechServer();
  const microphones = new FakeMicrophones();
  const dictation = new Dictation({
    composer: new ComposerStore(),
    connect: server.connect,
    credentials: { token: () => Promise.resolve(null), renew: () => Promise.resolve(false) },
    readOptions: (isHandsFree) => ({
      config: { lang: "en" },
      microphone: { deviceId: "", echoCancellation: true, noiseSuppression: true },
      endsUtterances: endsUtterances || isHandsFree,
    }),
    openMicrophone: microphones.open,
  });
  const text = () => dictation.composer.get().text;
  return { server, microphones, dictation, text, kind: () => dictation.get().state.kind };
}

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const sound = () => new ArrayBuffer(3200);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("switching on and off", () => {
  it("listens, writes, and ends with the last words", async () => {
    const { server, microphones, dictation, text, kind } = made();
    dictation.start();
    expect(kind()).toBe("opening");
    await settle();
    expect(kind()).toBe("listening");
    microphones.last.hear(sound());
    server.say("partial", 1, "hello");
    await settle();
    expect([text(), dictation.level()]).toEqual(["hello", 0.1]);
    microphones.last.rest = new ArrayBuffer(100);
    void dictation.stop();
    expect(kind()).toBe("finishing");
    server.say("final", 1, "Hello.", 90);
    await settle();
    expect([kind(), text(), dictation.level()]).toEqual(["idle", "Hello.", 0]);
    expect(server.dictations[0]?.received.length).toBe(3300);
    expect(microphones.last.isClosed).toBe(true);
    expect(dictation.get().lastFinal).toMatchObject({ text: "Hello.", latency: { model: "fake" } });
  });

  it("may be done again while the last words of before are still awaited", async () => {
    const { server, microphones, dictation, text, kind } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("partial", 1, "one");
    const first = server.socket;
    first.isDead = true; // its finals are late
    void dictation.stop();
    await settle();
    dictation.start();
    await settle();
    server.say("final", 1, "Two.");
    await settle();
    expect([kind(), text()]).toEqual(["listening", "one Two."]);
    expect(microphones.opened.map(({ isClosed }) => isClosed)).toEqual([true, false]);
    dictation.cancel();
  });

  it("records a last moment, until the microphone of the next dictation hears", async () => {
    const { server, microphones, dictation, kind } = made();
    dictation.start();
    await settle();
    const first = microphones.last;
    let endTail = (): void => undefined;
    first.tail = new Promise((resolve) => (endTail = resolve));
    void dictation.stop();
    void dictation.stop(); // as by a key that is released, and Send
    await settle();
    expect([kind(), first.isClosed, first.isHurried]).toEqual(["finishing", false, false]);
    first.hear(sound());
    microphones.isLive = false;
    dictation.start();
    await settle();
    expect([kind(), microphones.opened.length, first.isHurried]).toEqual(["opening", 2, false]);
    first.hear(sound());
    microphones.last.tell("live");
    expect(first.isHurried).toBe(true);
    endTail();
    await settle();
    expect(first.isClosed).toBe(true);
    expect(server.dictations.map(({ received }) => received.length)).toEqual([6400, 0]);
    dictation.cancel();
  });

  it("is over at once for a microphone that is gone", async () => {
    const { microphones, dictation } = made();
    dictation.start();
    await settle();
    microphones.last.lose();
    expect(microphones.last.isHurried).toBe(true);
    await settle();
  });

  it("before the microphone was allowed ends at once, and closes it when it comes", async () => {
    const { microphones, dictation, kind } = made();
    let allow = (): void => undefined;
    microphones.prompt = new Promise((resolve) => (allow = resolve));
    dictation.start();
    await settle();
    void dictation.stop();
    await settle();
    expect(kind()).toBe("idle");
    allow();
    await settle();
    expect(microphones.last.isClosed).toBe(true);
  });

  it("leaves no microphone and no socket open, after any number of times", async () => {
    const { server, microphones, dictation } = made();
    for (let count = 0; count < 50; count += 1) {
      dictation.start();
      await settle();
      microphones.last.hear(sound());
      if (count % 2 === 0) void dictation.stop();
      else dictation.cancel();
      await settle();
    }
    expect(microphones.opened.filter(({ isClosed }) => !isClosed)).toEqual([]);
    expect(server.sockets.filter(({ closedWith }) => closedWith !== 1000)).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("mutes, also before there is a microphone", async () => {
    const { microphones, dictation } = made();
    dictation.start();
    await settle();
    dictation.mute(true);
    expect(microphones.last.isMuted).toBe(true);
    expect(dictation.get().state).toMatchObject({ kind: "listening", isMuted: true });
    dictation.cancel();
  });

  it("mutes while the microphone is still asked for", async () => {
    const { microphones, dictation } = made();
    let allow = (): void => undefined;
    microphones.prompt = new Promise((resolve) => (allow = resolve));
    dictation.start();
    dictation.mute(true);
    expect(dictation.get().state).toMatchObject({ kind: "opening", isMuted: true });
    allow();
    await settle();
    expect(microphones.last.isMuted).toBe(true);
    expect(dictation.get().state).toMatchObject({ kind: "listening", isMuted: true });
    dictation.cancel();
  });

  it("by cancelling takes back what is not final", async () => {
    const { server, microphones, dictation, text, kind } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("final", 1, "Stays.", 100);
    server.say("partial", 2, "goes");
    await settle();
    expect(text()).toBe("Stays. goes");
    dictation.cancel();
    expect([text(), kind(), microphones.last.isClosed]).toEqual(["Stays.", "idle", true]);
  });
});

describe("a limit of the server", () => {
  const status = (limit: { name: string; left_s: number } | null) => ({
    ...{
      type: "status",
      state: null,
      place: null,
      backlog_ms: 0,
      degraded: false,
      partials: "on",
      hint: null,
    },
    limit,
  });

  it("is told once as near and once as reached, and no longer than it is so", async () => {
    const { server, dictation } = made();
    dictation.start();
    await settle();
    const tell = async (name: string, left_s: number) => {
      server.emit(status({ name, left_s }));
      await settle();
      return dictation.get().limit;
    };
    expect(await tell("backlog", 40)).toEqual({ name: "backlog", isReached: false });
    dictation.dismissLimit();
    expect(await tell("backlog", 30)).toBeNull();
    expect(await tell("backlog", 0)).toEqual({ name: "backlog", isReached: true });
    server.emit(status(null));
    await settle();
    expect(dictation.get().limit).toBeNull();
    expect(await tell("disk", 9)).toEqual({ name: "disk", isReached: false });
    void dictation.stop();
    await settle();
    expect([dictation.get().state.kind, dictation.get().limit]).toEqual(["idle", null]);
  });

  it.each(["login", "of a newer server"])("that asks nothing of the user is not shown (%s)", async (name) => {
    const { server, dictation } = made();
    dictation.start();
    await settle();
    server.emit(status({ name, left_s: 5 }));
    await settle();
    expect(dictation.get().limit).toBeNull();
    dictation.cancel();
  });
});

describe("listening", () => {
  it("does not begin while the browser's question is open, however long the server has been ready", async () => {
    const { server, microphones, dictation } = made();
    let allow = (): void => undefined;
    microphones.prompt = new Promise((resolve) => (allow = resolve));
    dictation.start();
    await settle(10_000);
    expect(server.dictations).toHaveLength(1);
    expect(dictation.get().state).toMatchObject({ kind: "opening", sound: "asked" });
    allow();
    await settle();
    expect(dictation.get().state).toMatchObject({ kind: "listening", sound: "live" });
    dictation.cancel();
  });

  it("begins with the first sound, also where the connection breaks before it", async () => {
    const { server, microphones, dictation, kind } = made();
    microphones.isLive = false;
    dictation.start();
    await settle();
    expect(dictation.get().state).toMatchObject({ kind: "opening", sound: "opening" });
    server.socket.drop(1006);
    expect(kind()).toBe("reconnecting");
    await settle(3000);
    expect(kind()).toBe("opening");
    microphones.last.tell("stalled");
    expect(dictation.get().state).toMatchObject({ kind: "opening", sound: "stalled" });
    microphones.last.tell("live");
    expect(dictation.get().state).toMatchObject({ kind: "listening", sound: "recovered" });
    dictation.cancel();
  });

  it.each(["muted", "suspended", "stalled"] as const)(
    "knows that nothing comes in (%s), and that it comes again, until something is heard",
    async (trouble) => {
      const { server, microphones, dictation } = made();
      const sound = () => {
        const { state } = dictation.get();
        return "sound" in state ? state.sound : state.kind;
      };
      dictation.start();
      await settle();
      microphones.last.hear(new ArrayBuffer(3200));
      microphones.last.tell(trouble);
      microphones.last.hear(new ArrayBuffer(3200)); // was on its way
      expect([sound(), dictation.level()]).toEqual([trouble, 0]);
      server.socket.drop(1006);
      await settle(3000);
      expect(sound()).toBe(trouble);
      microphones.last.tell("live");
      expect(sound()).toBe("recovered");
      server.emit({ type: "speech_started", utterance_id: 1 });
      await settle();
      expect(sound()).toBe("live");
      dictation.cancel();
      microphones.last.tell(trouble);
      expect(sound()).toBe("idle");
    },
  );
});

describe("sending", () => {
  it("waits for the last final, then is off", async () => {
    const { server, microphones, dictation, text, kind } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("partial", 1, "send th");
    await settle();
    const taken = takeText(dictation);
    server.say("final", 1, "Send this.", 100);
    await settle();
    expect(await taken).toEqual({ text: "Send this.", isWhole: true });
    expect([text(), kind()]).toEqual(["", "idle"]);
  });

  it("waits for a slow engine, also where nothing is on the screen yet", async () => {
    const { server, microphones, dictation, text } = made();
    server.isSlow = true;
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    let taken: unknown = null;
    void takeText(dictation).then((result) => (taken = result));
    await settle(30_000);
    expect(taken).toBe(null);
    server.say("final", 1, "Send this.", 100);
    server.emit({ type: "stopped", stats: {} });
    await settle();
    expect(taken).toEqual({ text: "Send this.", isWhole: true });
    expect(text()).toBe("");
  });

  it("waits for a line that is lost: what is on the screen is not all that was said", async () => {
    const { server, microphones, dictation, text } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("partial", 1, "half a sen");
    await settle();
    const { dictation: heard } = server;
    server.isDown = true;
    server.socket.drop(1006);
    let taken: unknown = null;
    void takeText(dictation).then((result) => (taken = result));
    await settle(10_000);
    expect(taken).toBe(null);
    server.emit({ type: "final", utterance_id: 1, text: "Half a sentence.", end_ms: 100, timing: {} }, heard);
    server.isDown = false;
    await settle(3000);
    expect(taken).toEqual({ text: "Half a sentence.", isWhole: true });
    expect(text()).toBe("");
  });

  it("waits for a line that stays lost for as long as it takes: no half of a sentence is sent", async () => {
    const { server, microphones, dictation, text } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("partial", 1, "half a sen");
    await settle();
    server.isDown = true;
    server.socket.drop(1006);
    let taken: unknown = null;
    void takeText(dictation).then((found) => (taken = found));
    await settle(150_000);
    expect([taken, text()]).toEqual([null, "half a sen"]);
    const { dictation: heard } = server;
    server.say("final", 1, "Half a sentence.", 100, {}, heard);
    server.isDown = false;
    await settle(6000);
    expect(taken).toEqual({ text: "Half a sentence.", isWhole: true });
    expect(text()).toBe("");
  });

  it("takes nothing where the user cancels meanwhile: what was typed stays", async () => {
    const { server, microphones, dictation, text } = made();
    server.isSlow = true;
    dictation.composer.dispatch({ type: "typed", text: "by hand", caret: { start: 7, end: 7 } });
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("partial", 1, "and by voice");
    await settle();
    const taken = takeText(dictation);
    await settle(5000);
    dictation.cancel();
    expect(await taken).toEqual({ text: "", isWhole: true, isCancelled: true });
    expect(text()).toBe("by hand");
  });

  it("waits for the dictation before, too", async () => {
    const { server, microphones, dictation } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("partial", 1, "one");
    await settle();
    const first = server.dictation;
    const { socket } = server;
    socket.isMute = true; // it takes its time
    void dictation.stop();
    await settle();
    dictation.start();
    await settle();
    let taken: unknown = null;
    void takeText(dictation).then((result) => (taken = result));
    await settle(100);
    expect(taken).toBe(null);
    socket.isMute = false;
    const times = { speech_end_ms: 100, endpoint_ms: 0, queue_ms: 0, decode_ms: 0 };
    socket.give({
      type: "final",
      utterance_id: 1,
      text: "One.",
      end_ms: 100,
      timing: times,
      seq: first.events.length,
    });
    socket.give({ type: "stopped", stats: {}, seq: first.events.length + 1 });
    await settle();
    expect(taken).toEqual({ text: "One.", isWhole: true });
  });

  it.each(["no_permission", "no_device"] as const)(
    "does not call a typed text cut off, after %s",
    async (failure) => {
      const { microphones, dictation } = made();
      microphones.failure = { kind: failure, detail: "" };
      dictation.start();
      await settle();
      dictation.composer.dispatch({ type: "typed", text: "by hand", caret: { start: 7, end: 7 } });
      expect(await takeText(dictation)).toEqual({ text: "by hand", isWhole: true });
    },
  );

  it("has the whole text where only the microphone was lost, and not where the server failed", async () => {
    const { server, microphones, dictation } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    microphones.last.lose();
    server.say("final", 1, "All of it.", 100);
    await settle();
    expect(await takeText(dictation)).toEqual({ text: "All of it.", isWhole: true });
    dictation.start();
    await settle();
    server.say("partial", 2, "half of");
    await settle();
    const taken = takeText(dictation);
    server.socket.drop(1013);
    await settle();
    expect(await taken).toEqual({ text: "half of", isWhole: false });
  });

  it("goes on listening where it is hands-free", async () => {
    const { server, microphones, dictation, kind } = made();
    dictation.startHandsFree();
    await settle();
    microphones.last.hear(sound());
    server.say("final", 1, "One.", 100);
    await settle();
    const taken = takeText(dictation);
    await settle();
    expect(await taken).toEqual({ text: "One.", isWhole: true });
    expect(server.socket.received.map(({ type }) => type)).toContain("flush");
    expect([kind(), microphones.last.isClosed]).toEqual(["listening", false]);
    dictation.cancel();
  });

  it("becomes hands-free while it goes on; one whose utterances never end starts anew", async () => {
    for (const endsUtterances of [true, false]) {
      const { server, microphones, dictation } = made({ endsUtterances });
      dictation.start();
      await settle();
      dictation.startHandsFree();
      await settle();
      expect(dictation.isHandsFree).toBe(true);
      expect(server.dictations).toHaveLength(endsUtterances ? 1 : 2);
      expect(microphones.opened.filter(({ isClosed }) => !isClosed)).toHaveLength(1);
      dictation.cancel();
      dictation.start();
      expect(dictation.isHandsFree).toBe(false);
      dictation.cancel();
    }
  });

  it("puts back what could not be sent, before what was said since", async () => {
    const { server, dictation, text } = made();
    dictation.startHandsFree();
    await settle();
    server.say("partial", 1, "next");
    await settle();
    prependText(dictation.composer, "Not sent.");
    server.say("final", 1, "Next one.");
    await settle();
    expect(text()).toBe("Not sent.\nNext one.");
    dictation.cancel();
  });
});

describe("what a final says about its text", () => {
  const words = [
    { word: "the", start_ms: 0, end_ms: 100, confidence: 0.9 },
    { word: "unock.", start_ms: 100, end_ms: 200, confidence: 0.2 },
  ];

  it("is marked, joined to the sentence before it, and taken over with it", async () => {
    const { server, dictation, text } = made();
    dictation.start();
    await settle();
    server.say("final", 1, "the unock.", 200, { start_ms: 0, words });
    server.say("final", 2, "is gone.", 500, {
      joined: true,
      start_ms: 300,
      uncovered: [{ start_ms: 480, end_ms: 500, dbfs: -60 }],
    });
    await settle();
    expect(text()).toBe("the unock is gone.");
    expect(listMarks(dictation.composer.get())).toEqual([
      { kind: "doubt", start: 4, end: 9 },
      { kind: "gap", start: 18, end: 18 },
    ]);
    dictation.cancel();
  });
});

describe("the sound", () => {
  const quiet = { type: "utterance_discarded", start_ms: 0, end_ms: 900, reason: "too_quiet" };

  it("that is too quiet is told until something is heard, and not for ever", async () => {
    const { server, dictation, text } = made();
    const told: boolean[] = [];
    dictation.start();
    await settle();
    for (let utterance = 1; utterance <= 6; utterance += 1) {
      server.emit({ ...quiet, utterance_id: 2 * utterance });
      await settle();
      told.push(dictation.get().isTooQuiet);
      if (utterance % 2 === 1) server.emit({ type: "speech_started", utterance_id: 2 * utterance + 1 });
      server.say("final", 2 * utterance + 1, "Heard.", 100);
      await settle();
      expect(dictation.get().isTooQuiet).toBe(false);
    }
    expect(told).toEqual([true, true, true, false, false, false]);
    expect(text().startsWith("Heard. Heard.")).toBe(true);
    dictation.cancel();
    dictation.start();
    await settle();
    server.emit({ ...quiet, utterance_id: 1 });
    await settle();
    expect(dictation.get().isTooQuiet).toBe(true);
    dictation.cancel();
  });

  it.each(["too_short", "no_speech", "empty"])("of another kind is not called quiet: %s", async (reason) => {
    const { server, dictation } = made();
    dictation.start();
    await settle();
    server.emit({ ...quiet, utterance_id: 1, reason });
    await settle();
    expect(dictation.get().isTooQuiet).toBe(false);
    dictation.cancel();
  });

  it("is commented once for each hint of the server", async () => {
    const { server, dictation } = made();
    dictation.start();
    await settle();
    const status = (hint: object | null) =>
      server.emit({ type: "status", degraded: false, partials: "on", hint });
    status({ code: "clipping", message: "too loud" });
    await settle();
    expect(dictation.get().hint).toEqual({ code: "clipping", message: "too loud" });
    dictation.dismissHint();
    status({ code: "clipping", message: "too loud" });
    status(null);
    await settle();
    expect(dictation.get().hint).toBe(null);
    status({ code: "no_signal", message: "all zeros" }); // it may be muted, which the page knows
    await settle();
    expect(dictation.get().hint).toBe(null);
    status({ code: "other", message: "something else" });
    await settle();
    expect(dictation.get().hint?.code).toBe("other");
    dictation.cancel();
    dictation.start();
    expect(dictation.get().hint).toBe(null);
    dictation.cancel();
  });
});

describe("what goes wrong", () => {
  it.each(["no_permission", "no_device"] as const)("is said: %s", async (failure) => {
    const { server, microphones, dictation } = made();
    microphones.failure = { kind: failure, detail: "" };
    dictation.start();
    await settle();
    expect(dictation.get().state).toEqual({ kind: "failed", failure: { kind: failure, detail: "" } });
    expect(server.socket.closedWith).toBe(1000);
    dictation.dismiss();
    expect(dictation.get().state.kind).toBe("idle");
  });

  it("is a device that was pulled out: what was said still becomes final", async () => {
    const { server, microphones, dictation, text } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("partial", 1, "said be");
    await settle();
    microphones.last.lose();
    server.say("final", 1, "Said before.", 100);
    await settle();
    expect(text()).toBe("Said before.");
    expect(dictation.get().state).toMatchObject({ kind: "failed", failure: { kind: "device_lost" } });
  });

  it("is a server that is lost while the last words are awaited: it is said, and they come when it is back", async () => {
    const { server, microphones, dictation, text } = made();
    dictation.start();
    await settle();
    microphones.last.hear(sound());
    server.say("partial", 1, "the la");
    await settle();
    const { dictation: heard } = server;
    server.isDown = true;
    server.socket.drop(1006);
    await settle();
    void dictation.stop();
    expect(dictation.get().state).toEqual({ kind: "finishing", isLost: true });
    await settle(500);
    expect(dictation.get().state).toEqual({ kind: "finishing", isLost: true });
    server.isDown = false;
    server.emit({ type: "final", utterance_id: 1, text: "The last.", end_ms: 100, timing: {} }, heard);
    await settle(3000);
    expect([text(), dictation.get().state.kind]).toEqual(["The last.", "idle"]);
  });

  it("is a server that fails: the microphone is closed and the text stays", async () => {
    const { server, microphones, dictation, text, kind } = made();
    dictation.start();
    await settle();
    server.say("partial", 1, "stays here");
    server.socket.give({ type: "error", code: "engine_failed", message: "why", fatal: true, seq: 9 });
    await settle();
    server.socket.drop(1011, "engine_failed");
    await settle();
    expect([kind(), text(), microphones.last.isClosed]).toEqual(["failed", "stays here", true]);
  });
});
