/** A microphone that is closed leaves nothing behind, in the order that browsers need for it. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Microphone, TAIL_MS } from "./microphone";

const done: string[] = [];
let isDeaf = false;
let node: FakeNode;

class FakeNode {
  readonly port = {
    onmessage: null as ((event: { data: unknown }) => void) | null,
    postMessage: (question: string) => {
      done.push(question);
      const answer = question === "flush" ? "flushed" : "over";
      if (!isDeaf) queueMicrotask(() => this.port.onmessage?.({ data: answer }));
    },
    close: () => done.push("port closed"),
  };

  constructor() {
    done.push("worklet made");
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the test looks at the fake from outside
    node = this;
  }

  give(verdict: string): void {
    this.port.onmessage?.({ data: verdict });
  }

  hear(level: number): void {
    this.port.onmessage?.({ data: { pcm: new ArrayBuffer(2), level, isMissing: false } });
  }
}

class FakeContext extends EventTarget {
  state = "suspended";
  readonly audioWorklet = { addModule: () => later("module loaded") };

  async resume(): Promise<void> {
    await later("resumed");
    this.state = "running";
  }

  createMediaStreamSource() {
    return { connect: () => done.push("connected"), disconnect: () => done.push("disconnected") };
  }

  close(): Promise<void> {
    this.state = "closed";
    done.push("context closed");
    return Promise.resolve();
  }
}

/** As on a busy machine: other work comes between. */
async function later(what: string): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  done.push(what);
}

const READY = ["module loaded", "worklet made", "resumed"];
const CLOSED = ["disconnected", "end", "port closed", "context closed"];
const track = Object.assign(new EventTarget(), {
  enabled: true,
  muted: false,
  readyState: "live",
  stop: () => done.push("track stopped"),
});
const stream = { getTracks: () => [track], getAudioTracks: () => [track] };
let refusal: Error | null = null;
/** What the browser says that the user permits; null where it does not tell. */
let permission: PermissionState | null = null;
const permissions = {
  query: () =>
    permission === null ? Promise.reject(new TypeError("?")) : Promise.resolve({ state: permission }),
};
const getUserMedia = () => {
  done.push("asked");
  return refusal === null ? Promise.resolve(stream) : Promise.reject(refusal);
};
const options = { deviceId: "", echoCancellation: true, noiseSuppression: true };

beforeEach(() => {
  done.length = 0;
  isDeaf = false;
  refusal = null;
  permission = null;
  track.readyState = "live";
  vi.stubGlobal("AudioContext", FakeContext);
  vi.stubGlobal("AudioWorkletNode", FakeNode);
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia }, permissions });
});
afterEach(() => vi.unstubAllGlobals());

it("waits for its worklet before it closes the context, and hears nothing more", async () => {
  const heard: number[] = [];
  const microphone = await Microphone.open(options, {
    onChunk: ({ level }) => heard.push(level),
    onSound: () => undefined,
    onLost: () => undefined,
  });
  node.hear(1);
  await microphone.flush();
  const closed = microphone.close();
  node.hear(2);
  await closed;
  expect(heard).toEqual([1]);
  expect(done).toEqual([...READY, "asked", "connected", "flush", "track stopped", ...CLOSED]);
});

describe("the last moment", () => {
  async function finishing(options_: { isMuted?: boolean } = {}) {
    const heard: number[] = [];
    const microphone = await Microphone.open(options, {
      onChunk: ({ level }) => heard.push(level),
      onSound: () => undefined,
      onLost: () => undefined,
    });
    vi.useFakeTimers();
    if (options_.isMuted) microphone.mute(true);
    let isOver = false;
    void microphone.finish().then(() => (isOver = true));
    const pass = async (ms: number): Promise<boolean> => {
      await vi.advanceTimersByTimeAsync(ms);
      return isOver;
    };
    return { microphone, heard, pass };
  }
  afterEach(() => void vi.useRealTimers());

  it("is recorded after Stop: the last sound of a word is often said while Stop is pressed", async () => {
    const { heard, pass } = await finishing();
    expect(await pass(TAIL_MS - 1)).toBe(false);
    node.hear(1);
    expect(await pass(1)).toBe(true);
    expect(heard).toEqual([1]);
    expect(done.at(-1)).toBe("flush");
  });

  it("ends early where another microphone hears already", async () => {
    const { microphone, pass } = await finishing();
    microphone.hurry();
    expect(await pass(0)).toBe(true);
    expect(done.at(-1)).toBe("flush");
  });

  it("of a muted microphone holds nothing", async () => {
    const { pass } = await finishing({ isMuted: true });
    expect(await pass(0)).toBe(true);
  });

  it("holds nothing open once the microphone is closed", async () => {
    const { microphone, pass } = await finishing();
    void microphone.close();
    expect(await pass(0)).toBe(true);
    expect(done).not.toContain("flush");
    expect(vi.getTimerCount()).toBe(0);
  });
});

it("is ready to record before the microphone is asked for: what is said at once is not lost", async () => {
  await Microphone.open(options, {
    onChunk: () => undefined,
    onSound: () => undefined,
    onLost: () => undefined,
  });
  expect(done).toEqual([...READY, "asked", "connected"]);
});

it("gives back what was ready for a microphone that is refused", async () => {
  refusal = new DOMException("no", "NotAllowedError");
  const opened = Microphone.open(options, {
    onChunk: () => undefined,
    onSound: () => undefined,
    onLost: () => undefined,
  });
  await expect(opened).rejects.toMatchObject({ failure: { kind: "no_permission" } });
  await vi.waitFor(() => expect(done).toEqual([...READY, "asked", "end", "port closed", "context closed"]));
});

it("asks for the microphone also where the browser lets no sound run before", async () => {
  vi.stubGlobal(
    "AudioContext",
    class extends FakeContext {
      override async resume(): Promise<void> {
        if (done.includes("asked")) await super.resume();
        else await new Promise(() => undefined);
      }
    },
  );
  await Microphone.open(options, {
    onChunk: () => undefined,
    onSound: () => undefined,
    onLost: () => undefined,
  });
  expect(done).toEqual(["module loaded", "worklet made", "asked", "connected", "resumed"]);
});

it("closes also where the audio thread does not answer", async () => {
  const microphone = await Microphone.open(options, {
    onChunk: () => undefined,
    onSound: () => undefined,
    onLost: () => undefined,
  });
  isDeaf = true;
  await microphone.flush();
  await microphone.close();
  expect(done.at(-1)).toBe("context closed");
});

describe("a browser that may average two channels", () => {
  const media = (channels: number) => {
    const streams: string[] = [];
    const open = ({ audio }: { audio: { echoCancellation: boolean } }) => {
      const name = audio.echoCancellation ? "processed" : "plain";
      streams.push(name);
      const stop = () => streams.push(`${name} stopped`);
      const one = Object.assign(new EventTarget(), {
        enabled: true,
        stop,
        getSettings: () => ({ deviceId: "d" }),
        getCapabilities: () => ({ channelCount: { max: channels } }),
      });
      return Promise.resolve({ getTracks: () => [one], getAudioTracks: () => [one] });
    };
    const browser = { mediaDevices: { getUserMedia: open }, userAgentData: { mobile: false } };
    vi.stubGlobal("navigator", browser);
    return streams;
  };
  const events = { onChunk: () => undefined, onSound: () => undefined, onLost: () => undefined };

  it("is compared with the plain microphone, until nothing is cancelled", async () => {
    const streams = media(2);
    const microphone = await Microphone.open(options, events);
    await vi.waitFor(() => expect(streams).toEqual(["processed", "plain"]));
    await later("connected both");
    node.give("fine");
    expect(streams).toEqual(["processed", "plain", "plain stopped"]);
    await microphone.close();
    expect(streams.at(-1)).toBe("processed stopped");
  });

  it("keeps the plain microphone where something is", async () => {
    const streams = media(2);
    const microphone = await Microphone.open(options, events);
    await vi.waitFor(() => expect(streams).toEqual(["processed", "plain"]));
    await later("connected both");
    node.give("cancelled");
    expect(streams).toEqual(["processed", "plain"]);
    await microphone.close();
    expect(streams.slice(2)).toEqual(["plain stopped", "processed stopped"]);
  });

  it("is left alone with one channel, or without processing", async () => {
    const streams = media(1);
    await Microphone.open(options, events);
    await Microphone.open({ ...options, echoCancellation: false, noiseSuppression: false }, events);
    expect(streams).toEqual(["processed", "plain"]); // the second is the microphone itself
  });
});

it("asks for no microphone where there is no audio context to be had", async () => {
  vi.stubGlobal(
    "AudioContext",
    class {
      constructor() {
        throw new Error("too many");
      }
    },
  );
  const opened = Microphone.open(options, {
    onChunk: () => undefined,
    onSound: () => undefined,
    onLost: () => undefined,
  });
  await expect(opened).rejects.toMatchObject({ failure: { kind: "unsupported", detail: "too many" } });
  expect(done).toEqual([]);
});

describe("what went wrong", () => {
  const events = { onChunk: () => undefined, onSound: () => undefined, onLost: () => undefined };
  const no = (name: string) => new DOMException("why", name);

  it.each([
    [no("NotAllowedError"), "prompt", "no_permission", ""],
    [no("NotAllowedError"), null, "no_permission", ""],
    [no("NotAllowedError"), "granted", "blocked_by_system", ""],
    [no("NotFoundError"), "granted", "no_device", ""],
    [no("NotReadableError"), "granted", "device_busy", ""],
    [no("AbortError"), "granted", "microphone_failed", "why"],
    [new TypeError("odd"), "granted", "microphone_failed", "odd"],
  ] as const)("is told by what the browser says: %s, permission %s", async (error, state, kind, detail) => {
    [refusal, permission] = [error, state];
    await expect(Microphone.open(options, events)).rejects.toMatchObject({ failure: { kind, detail } });
  });

  it.each([
    [() => Promise.reject(new TypeError("no network")), "no_server", ""],
    [() => Promise.resolve(new Response("", { status: 404 })), "new_version", ""],
    [() => Promise.resolve(new Response("code")), "unsupported", "unknown code"],
  ] as const)("with the worklet is the server, its version, or the browser", async (answer, kind, detail) => {
    vi.stubGlobal("fetch", answer);
    vi.stubGlobal(
      "AudioContext",
      class extends FakeContext {
        override readonly audioWorklet = { addModule: () => Promise.reject(new Error("unknown code")) };
      },
    );
    await expect(Microphone.open(options, events)).rejects.toMatchObject({ failure: { kind, detail } });
    expect(done).toEqual(["context closed"]);
  });

  it.each([
    ["granted", "denied", "permission_withdrawn"],
    ["granted", "prompt", "permission_withdrawn"],
    ["granted", "granted", "device_lost"],
    ["prompt", "prompt", "device_lost"], // a browser that gives it once, without a lasting permission
    [null, null, "device_lost"],
  ] as const)("with the track: permission %s, then %s: %s", async (before, after, kind) => {
    permission = before;
    const lost = vi.fn();
    const microphone = await Microphone.open(options, { ...events, onLost: lost });
    await later("listening");
    permission = after;
    track.dispatchEvent(new Event("ended"));
    await vi.waitFor(() => expect(lost).toHaveBeenCalledExactlyOnceWith({ kind, detail: "" }));
    await microphone.close();
  });
});

it("tells that the browser asks its user, until the microphone is open", async () => {
  permission = "prompt";
  const sounds: string[] = [];
  let allow = (): void => undefined;
  const answered = new Promise<void>((resolve) => (allow = resolve));
  const ask = () => answered.then(() => stream);
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: ask }, permissions });
  const opened = Microphone.open(options, {
    onChunk: () => undefined,
    onSound: (sound) => sounds.push(sound),
    onLost: () => undefined,
  });
  await vi.waitFor(() => expect(sounds).toEqual(["asked"]));
  allow();
  const microphone = await opened;
  expect(sounds).toEqual(["asked", "opening"]);
  node.hear(1);
  expect(sounds).toEqual(["asked", "opening", "live"]);
  await microphone.close();
});
