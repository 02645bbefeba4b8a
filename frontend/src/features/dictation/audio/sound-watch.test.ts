/** Whether sound comes in is told by the clock and by the browser's events, also when it is back. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { type Sound, SoundWatch } from "./sound-watch";

class FakeContext extends EventTarget {
  state: AudioContextState = "running";
  resumes = 0;
  /** A browser that refuses to run, as during a call. */
  isHeld = false;

  resume(): Promise<void> {
    this.resumes += 1;
    if (this.isHeld) return Promise.reject(new DOMException("a call", "InvalidStateError"));
    this.change("running");
    return Promise.resolve();
  }

  change(state: AudioContextState): void {
    this.state = state;
    this.dispatchEvent(new Event("statechange"));
  }
}

class FakeTrack extends EventTarget {
  muted = false;
  readyState: MediaStreamTrackState = "live";

  mute(muted: boolean): void {
    this.muted = muted;
    this.dispatchEvent(new Event(muted ? "mute" : "unmute"));
  }
}

const PIECE_MS = 100;
let context: FakeContext;
let track: FakeTrack;
let watch: SoundWatch;
let told: (Sound | "ended")[];

function start(state: AudioContextState = "running"): void {
  context = new FakeContext();
  context.state = state;
  track = new FakeTrack();
  told = [];
  watch = new SoundWatch(
    { context, tracks: [track] },
    { onSound: (sound) => told.push(sound), onEnded: () => told.push("ended") },
  );
}

/** Pieces come in real time. */
function hear(ms: number, level = 0.1, isMissing = false): void {
  for (let at = 0; at < ms; at += PIECE_MS) {
    vi.advanceTimersByTime(PIECE_MS);
    watch.handleChunk({ pcm: new ArrayBuffer(32 * PIECE_MS), level, isMissing });
  }
}

/** The recorder puts silence in where the browser gives nothing. */
const miss = (ms: number): void => hear(ms, 0, true);

beforeEach(() => {
  vi.useFakeTimers();
  start();
});
afterEach(() => {
  watch.dispose();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it("is live from the first piece on, and not before", () => {
  vi.advanceTimersByTime(1500);
  expect(told).toEqual([]);
  hear(5000);
  expect(told).toEqual(["live"]);
});

describe("no piece for two seconds", () => {
  it("is told, and that they come again", () => {
    hear(300);
    vi.advanceTimersByTime(1500);
    expect(told).toEqual(["live"]);
    vi.advanceTimersByTime(1000);
    expect(told).toEqual(["live", "stalled"]);
    hear(100);
    expect(told).toEqual(["live", "stalled", "live"]);
  });

  it("is told where silence was put in for them", () => {
    hear(300);
    miss(1500);
    expect(told).toEqual(["live"]);
    miss(1000);
    expect(told).toEqual(["live", "stalled"]);
    hear(100);
    expect(told).toEqual(["live", "stalled", "live"]);
  });

  it("is what is wanted while the page mutes, and counts from the end of that", () => {
    hear(300);
    watch.mute(true);
    miss(20_000);
    watch.mute(false);
    miss(1500);
    expect(told).toEqual(["live"]);
    hear(100);
    expect(told).toEqual(["live"]);
  });

  it("is told of a microphone that never gives one", () => {
    vi.advanceTimersByTime(2500);
    expect(told).toEqual(["stalled"]);
  });

  it("is not told of a page that slept: its pieces come as soon as it wakes", () => {
    hear(300);
    const slept = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 60_000);
    vi.advanceTimersByTime(500);
    expect(told).toEqual(["live"]);
    slept.mockRestore();
  });
});

describe("a context that does not run", () => {
  it("is told at once, asked to run at each check and gesture, and live with the next piece", () => {
    hear(300);
    context.isHeld = true;
    context.change("suspended");
    expect(told).toEqual(["live", "suspended"]);
    const { resumes } = context;
    vi.advanceTimersByTime(500);
    expect(context.resumes).toBe(resumes + 1);
    dispatchEvent(new Event("pointerdown"));
    expect(context.resumes).toBe(resumes + 2);
    context.isHeld = false;
    vi.advanceTimersByTime(500);
    expect(context.state).toBe("running");
    expect(told).toEqual(["live", "suspended"]); // it runs, and nothing has come yet
    hear(100);
    expect(told).toEqual(["live", "suspended", "live"]);
  });

  it("is told after two seconds where it has not run yet", () => {
    watch.dispose();
    start("suspended");
    context.isHeld = true;
    vi.advanceTimersByTime(1500);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1000);
    expect(told).toEqual(["suspended"]);
  });

  it("is asked for nothing once the microphone is closed", () => {
    watch.dispose();
    context.change("suspended");
    dispatchEvent(new Event("keydown"));
    expect([context.resumes, told]).toEqual([0, []]);
  });
});

it("tells that another program mutes, although zeros go on coming", () => {
  hear(300);
  track.mute(true);
  hear(1000, 0);
  expect(told).toEqual(["live", "muted"]);
  track.mute(false);
  expect(told).toEqual(["live", "muted"]);
  hear(100);
  expect(told).toEqual(["live", "muted", "live"]);
});

describe("a track that ends", () => {
  it("is told by its event, once", () => {
    track.readyState = "ended";
    track.dispatchEvent(new Event("ended"));
    vi.advanceTimersByTime(3000);
    expect(told).toEqual(["ended"]);
  });

  it("is told without an event, too", () => {
    hear(300);
    track.readyState = "ended";
    vi.advanceTimersByTime(500);
    expect(told).toEqual(["live", "ended"]);
  });
});

describe("nothing but zeros", () => {
  it("is a microphone that wakes up: it is waited for, and live with its first sound", () => {
    hear(1000, 0);
    expect(told).toEqual([]);
    hear(100);
    hear(1000, 0);
    expect(told).toEqual(["live"]);
  });

  it("is told after three seconds, and that there is sound", () => {
    hear(2900, 0);
    expect(told).toEqual([]);
    hear(100, 0);
    expect(told).toEqual(["silent"]);
    hear(100);
    expect(told).toEqual(["silent", "live"]);
  });

  it("is no waking of a microphone that the page mutes from the start", () => {
    watch.mute(true);
    hear(100, 0);
    expect(told).toEqual(["live"]);
  });

  it("may be a pause after sound, of a device that mutes what is no speech, but not for ever", () => {
    hear(100);
    hear(9900, 0);
    expect(told).toEqual(["live"]);
    hear(100, 0);
    expect(told).toEqual(["live", "silent"]);
  });

  it("is wanted while the page mutes, and counts from zero after that", () => {
    hear(100);
    watch.mute(true);
    hear(20_000, 0);
    watch.mute(false);
    hear(2900, 0);
    expect(told).toEqual(["live"]);
    hear(100, 0);
    expect(told).toEqual(["live", "silent"]);
  });
});
