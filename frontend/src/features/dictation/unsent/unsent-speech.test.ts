/** Speech that outlives its page: each sample reaches the server once, or lies in the browser. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { FakeMicrophones } from "../audio/fake-microphone";
import { type FakeDictation, FakeSpeechServer } from "../client/fake-speech-server";
import type { SessionEvent } from "../client/messages";
import { DictationSession } from "../client/session";
import { ComposerStore } from "../composer/composer-store";
import { Dictation } from "../dictation";
import { FakeBrowser, type FakePage } from "./fake-browser";
import { UnsentSpeech } from "./unsent-speech";

const PLACE = { draft: "new", at: 0, before: "" };
const nobody = { token: () => Promise.resolve(null), renew: () => Promise.resolve(false) };
const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

/** 100 ms of audio with a number. */
function frame(mark: number): ArrayBuffer {
  const data = new Uint8Array(3200);
  new DataView(data.buffer).setUint16(0, mark);
  return data.buffer;
}

function marksOf({ received }: FakeDictation): number[] {
  const view = new DataView(Uint8Array.from(received).buffer);
  return Array.from({ length: received.length / 3200 }, (_, index) => view.getUint16(3200 * index));
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A dictation as the server has it, over all that continue it. */
interface Tale {
  /** Its finals: where each ends, in frames of the dictation. */
  stored: { text: string; end: number }[];
  /** What it goes on with, and the frames before that in the one that is stored. */
  before: number[];
  base: number;
  /** How many of its frames have a final. */
  settled: number;
}

/** A server with the rules of the wire: what it heard, what it has stored, what its spool has. */
class Hearing {
  readonly server = new FakeSpeechServer();
  /** All that has its text. */
  readonly heard: number[] = [];
  readonly #tales = new Map<FakeDictation, Tale>();
  /** What of a dictation nobody hears any more, by its id. */
  readonly #left = new Map<string, Tale & { received: number }>();
  #count = 0;

  constructor() {
    this.server.findKept = (id) => {
      this.#look();
      const dictation = this.server.dictations[Number(id.slice(1)) - 1];
      if (dictation !== undefined) this.#leave(dictation); // its client comes without its token
      const left = this.#left.get(id);
      if (left === undefined) return null;
      const { received, settled, base } = left;
      return { safe_ms: 100 * received, from_ms: 100 * settled, base_ms: 100 * (base + settled) };
    };
  }

  /** Those that the server still has. */
  get #live(): FakeDictation[] {
    this.#look();
    return this.server.dictations.filter((one) => !this.server.forgotten.has(one));
  }

  get #current(): FakeDictation | null {
    return this.server.sockets.at(-1)?.dictation ?? null;
  }

  /** Notice dictations that have begun: they go on with what the spool has. */
  #look(): void {
    for (const dictation of this.server.dictations) {
      if (this.#tales.has(dictation)) continue;
      const { config } = dictation.start as { config: { continues_dictation?: string; told_ms?: number } };
      const left = this.#left.get(config.continues_dictation ?? "");
      this.#left.delete(config.continues_dictation ?? "");
      const base = left === undefined ? 0 : left.base + left.settled;
      const before = left === undefined ? [] : left.before;
      this.#tales.set(dictation, { stored: left?.stored ?? [], before, base, settled: 0 });
      for (const { text, end } of left?.stored ?? [])
        if (100 * end > (config.told_ms ?? 0)) this.server.say("final", 900, text, 0, {}, dictation);
    }
  }

  /** Nobody goes on with it, unless somebody asks by its id. */
  #leave(dictation: FakeDictation): void {
    const tale = this.#tales.get(dictation);
    if (tale === undefined || this.server.forgotten.has(dictation)) return;
    const audio = this.#audio(dictation);
    const id = `d${this.server.dictations.indexOf(dictation) + 1}`;
    this.#left.set(id, { ...tale, before: audio.slice(tale.settled), received: audio.length });
    this.server.forgotten.add(dictation);
  }

  #audio(dictation: FakeDictation): number[] {
    return [...(this.#tales.get(dictation)?.before ?? []), ...marksOf(dictation)];
  }

  #store(tale: Tale, endFrame: number): string {
    this.#count += 1;
    const text = `t${this.#count}`;
    tale.stored.push({ text, end: tale.base + endFrame });
    return text;
  }

  /** Make a final of all that came, and tell it where somebody listens. */
  finish(isTold = true, dictation = this.#current): void {
    this.#look();
    const tale = dictation && this.#tales.get(dictation);
    if (!dictation || !tale || this.server.forgotten.has(dictation)) return;
    const audio = this.#audio(dictation);
    if (audio.length === tale.settled) return;
    this.heard.push(...audio.slice(tale.settled));
    tale.settled = audio.length;
    const text = this.#store(tale, audio.length);
    if (isTold) this.server.say("final", tale.stored.length, text, 100 * audio.length, {}, dictation);
  }

  /** Tell how far it is, while somebody speaks. */
  acknowledge(): void {
    const dictation = this.#current;
    if (dictation === null) return;
    this.server.emit({ type: "speech_started", utterance_id: 999, start_ms: 0 }, dictation);
    this.server.acknowledge(dictation.frames, {}, dictation);
  }

  /** The process ends; the next one has what had come. */
  die(): void {
    for (const dictation of this.#live) this.#leave(dictation);
    this.drop();
  }

  /** The process ends, and its disk with it. What waited for nobody was finished before. */
  burn(): void {
    for (const dictation of this.#live) {
      if (dictation !== this.#current) this.finish(false, dictation);
      this.server.forgotten.add(dictation);
    }
    this.drop();
  }

  /** The time to resume is over: it makes text of what it has, also of what an earlier process left. */
  expire(): void {
    this.drop();
    for (const dictation of this.#live) this.#leave(dictation);
    for (const tale of this.#left.values()) {
      this.heard.push(...tale.before);
      const end = tale.settled + tale.before.length;
      if (tale.before.length > 0) this.#store(tale, end);
      tale.before = [];
      tale.settled = end;
    }
  }

  drop(): void {
    if (this.server.sockets.length > 0) this.server.socket.drop(1006);
  }
}

class Visit {
  readonly page: FakePage;
  readonly unsent: UnsentSpeech;
  session: DictationSession | null = null;
  isSending = false;

  constructor(
    readonly browser: FakeBrowser,
    readonly hearing: Hearing,
    /** The finals that its pages got. */
    readonly told: string[] = [],
    owner = "ada",
  ) {
    this.page = browser.open();
    this.unsent = new UnsentSpeech(() => owner, this.page.store, this.page.locks);
  }

  get #options() {
    const { server } = this.hearing;
    const onEvent = (event: SessionEvent) => {
      if (event.type === "final" && !this.page.isGone) this.told.push(event.text);
      if (event.type !== "state" || (event.state.kind !== "ended" && event.state.kind !== "failed")) return;
      this.session = null;
      this.isSending = false;
    };
    // A page that is gone connects no more.
    const connect = () => (this.page.isGone ? ({ close: () => undefined } as WebSocket) : server.connect());
    return { connect, credentials: nobody, id: "s", onEvent };
  }

  speak(marks: readonly number[]): void {
    this.session ??= new DictationSession({
      ...this.#options,
      config: {},
      keeper: this.unsent.keep({}, PLACE),
    });
    for (const mark of marks) this.session.sendAudio(frame(mark));
  }

  /** Send what earlier pages left; whether there was something. */
  async send(): Promise<boolean> {
    await this.unsent.refresh();
    const [first] = this.unsent.get();
    const left = first === undefined || this.session !== null ? null : await this.unsent.claim(first.id);
    if (left === null) return false;
    this.isSending = true;
    this.session = new DictationSession({ ...this.#options, config: {}, left });
    this.session.stop();
    return true;
  }

  end(): void {
    this.page.end();
    this.hearing.drop();
    this.session?.cancel(); // its timers end with the page
  }
}

async function finishAll(visit: Visit): Promise<void> {
  visit.hearing.server.isDown = false;
  for (let round = 0; round < 60; round += 1) {
    visit.hearing.acknowledge();
    visit.hearing.finish();
    visit.session?.stop();
    await settle(3000);
    if (visit.session === null && !(await visit.send())) return;
  }
  throw new Error("it does not end");
}

describe("speech of a page that is gone", () => {
  it("reaches the server once, whatever happens to pages, connections and servers", async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.constant("speak" as const) },
      { weight: 2, arbitrary: fc.constant("reload" as const) },
      fc.constantFrom("down", "up", "drop", "acknowledge", "final", "die", "burn", "expire", "send", "wait"),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const browser = new FakeBrowser();
        const hearing = new Hearing();
        let visit = new Visit(browser, hearing);
        let count = 0;
        for (const one of steps) {
          if (one === "speak" && !visit.isSending) {
            visit.speak([1, 2, 3, 4, 5].map((mark) => count + mark));
            count += 5;
          }
          if (one === "reload") {
            visit.end();
            visit = new Visit(browser, hearing, visit.told);
          }
          if (one === "down") {
            hearing.server.isDown = true;
            hearing.drop();
          }
          if (one === "up") hearing.server.isDown = false;
          if (one === "drop") hearing.drop();
          if (one === "acknowledge") hearing.acknowledge();
          if (one === "final") hearing.finish();
          if (one === "die") hearing.die();
          if (one === "burn" && visit.session !== null) hearing.burn();
          if (one === "expire") hearing.expire();
          if (one === "send") await visit.send();
          await settle(one === "wait" ? 5000 : 300);
        }
        await finishAll(visit);
        hearing.expire(); // what nobody went on with
        const all = Array.from({ length: count }, (_, index) => index + 1);
        expect(hearing.heard.toSorted((a, b) => a - b)).toEqual(all);
        expect(visit.told.toSorted()).toEqual([...new Set(visit.told)].toSorted());
        expect([browser.records.size, browser.pieces.length, browser.locks.size]).toEqual([0, 0, 0]);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

describe("what a page left behind", () => {
  /** Ten seconds that no server heard. */
  async function leave(browser: FakeBrowser, hearing = new Hearing(), owner = "ada"): Promise<void> {
    const visit = new Visit(browser, hearing, [], owner);
    hearing.server.isDown = true;
    visit.speak(Array.from({ length: 100 }, (_, index) => index + 1));
    await settle();
    visit.end();
    hearing.server.isDown = false;
  }

  it("is offered to its user alone, with its length and its time", async () => {
    const browser = new FakeBrowser();
    await leave(browser);
    const ada = new Visit(browser, new Hearing());
    const bob = new Visit(browser, new Hearing(), [], "bob");
    await Promise.all([ada.unsent.refresh(), bob.unsent.refresh()]);
    expect(ada.unsent.get()).toEqual([expect.objectContaining({ seconds: 10, startedAtMs: Date.now() })]);
    expect(bob.unsent.get()).toEqual([]);
    const id = ada.unsent.get()[0]?.id ?? "";
    expect(await bob.unsent.claim(id)).toBe(null);
    expect(await bob.unsent.listen(id)).toEqual([]);
    await bob.unsent.clear();
    expect((await ada.unsent.listen(id)).length).toBe(100);
  });

  it("is sent by one page at a time, and is free again when that one dies", async () => {
    const browser = new FakeBrowser();
    await leave(browser);
    const hearing = new Hearing();
    const [one, other] = [new Visit(browser, hearing), new Visit(browser, hearing)];
    await one.unsent.refresh();
    const [first] = one.unsent.get();
    hearing.server.isDown = true;
    expect(await one.send()).toBe(true);
    expect(await other.unsent.claim(first?.id ?? "")).toBe(null);
    await other.unsent.discard(first?.id ?? "");
    expect(await other.send()).toBe(false);
    one.end();
    expect(await other.send()).toBe(true);
    await finishAll(other);
    hearing.expire();
    expect(hearing.heard).toHaveLength(100);
  });

  it("is not offered while its page records, and is gone once discarded or logged out", async () => {
    const browser = new FakeBrowser();
    const hearing = new Hearing();
    hearing.server.isDown = true;
    const [speaking, other] = [new Visit(browser, hearing), new Visit(browser, hearing)];
    speaking.speak(Array.from({ length: 100 }, (_, index) => index));
    await settle();
    await other.unsent.refresh();
    expect(other.unsent.get()).toEqual([]);
    await leave(browser);
    await other.unsent.refresh();
    await other.unsent.discard(other.unsent.get()[0]?.id ?? "");
    expect(browser.records.size).toBe(1);
    await speaking.unsent.clear();
    dispatchEvent(new Event("pagehide"));
    await settle();
    expect([browser.records.size, browser.pieces.length]).toEqual([0, 0]);
    speaking.end();
  });

  it.each([
    ["QuotaExceededError", "full"],
    ["InvalidStateError", "page"],
  ])("is said to be in the page alone where the storage fails with %s", async (name, keeping) => {
    const browser = new FakeBrowser();
    browser.writeError = new DOMException("", name);
    const hearing = new Hearing();
    hearing.server.isDown = true;
    const page = browser.open();
    const events: SessionEvent[] = [];
    const session = new DictationSession({
      connect: hearing.server.connect,
      credentials: nobody,
      id: "s",
      config: {},
      onEvent: (event) => events.push(event),
      keeper: new UnsentSpeech(() => "ada", page.store, page.locks).keep({}, PLACE),
    });
    for (let mark = 0; mark < 40; mark += 1) {
      session.sendAudio(frame(mark));
      await settle(100);
    }
    expect(events.at(-1)).toMatchObject({ type: "waiting", keeping });
    session.stop();
    hearing.server.isDown = false;
    await settle(5000);
    expect(marksOf(hearing.server.dictation)).toHaveLength(40);
  });

  it("holds nothing of a dictation that is not to be stored", async () => {
    const browser = new FakeBrowser();
    const page = browser.open();
    const unsent = new UnsentSpeech(() => "ada", page.store, page.locks);
    const server = new FakeSpeechServer();
    server.isDown = true;
    const microphones = new FakeMicrophones();
    const dictation = new Dictation({
      composer: new ComposerStore(),
      unsent,
      connect: server.connect,
      credentials: nobody,
      readOptions: () => ({
        config: { store: false },
        microphone: { deviceId: "", echoCancellation: false, noiseSuppression: false },
        endsUtterances: true,
      }),
      openMicrophone: microphones.open,
    });
    dictation.start();
    await settle();
    for (let mark = 0; mark < 40; mark += 1) {
      microphones.last.hear(frame(mark));
      await settle(100);
    }
    expect(dictation.get().waiting).toMatchObject({ keeping: "private" });
    expect([browser.records.size, browser.locks.size]).toEqual([0, 0]);
    dictation.cancel();
  });
});
