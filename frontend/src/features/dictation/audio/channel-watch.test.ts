/** Channels that cancel each other in an average are found within a tenth of a second, and no others. */

import { describe, expect, it } from "vitest";

import { ChannelWatch } from "./channel-watch";
import { Recorder, WIRE_RATE_HZ } from "./recorder";

const RATE_HZ = 48_000;
const BLOCK = 128;

function tone(seconds: number, level: number, delayS = 0): Float32Array {
  return Float32Array.from({ length: seconds * RATE_HZ }, (_, index) => {
    const at = index / RATE_HZ - delayS;
    return level * (Math.sin(2 * Math.PI * 300 * at) + 0.5 * Math.sin(2 * Math.PI * 750 * at));
  });
}

const scale = (one: Float32Array, by: number): Float32Array => one.map((sample) => by * sample);

/** The seconds until the verdict, and the verdict. */
function watch(channels: readonly Float32Array[]): { verdict: string; seconds: number } {
  const watched = new ChannelWatch(RATE_HZ);
  let at = 0;
  for (; at < (channels[0]?.length ?? 0) && watched.verdict === "unknown"; at += BLOCK) {
    watched.push(channels.map((channel) => channel.subarray(at, at + BLOCK)));
  }
  return { verdict: watched.verdict, seconds: at / RATE_HZ };
}

describe("the watch", () => {
  it.each([-1, -0.7])("finds a channel times %d, also a quiet one", (gain) => {
    for (const level of [0.1, 0.001]) {
      const { verdict, seconds } = watch([tone(1, level), scale(tone(1, level), gain)]);
      expect(verdict).toBe("cancelled");
      expect(seconds).toBeLessThan(0.15);
    }
  });

  it("leaves equal, silent and delayed channels, and decides that only with sound", () => {
    const voice = tone(3, 0.1);
    for (const other of [voice, new Float32Array(voice.length), scale(voice, 0.3), tone(3, 0.1, 0.0002)]) {
      const { verdict, seconds } = watch([voice, other]);
      expect(verdict).toBe("fine");
      expect(seconds).toBeGreaterThan(1.9);
    }
    expect(watch([tone(4, 0.0005), tone(4, 0.0005)]).verdict).toBe("unknown");
    expect(watch([voice]).verdict).toBe("fine");
    expect(watch([new Float32Array(RATE_HZ), new Float32Array(RATE_HZ)]).verdict).toBe("unknown");
  });
});

it("the recorder takes the plain channels once those of the browser are cancelled, and only then", () => {
  const voice = tone(1, 0.1);
  const silence = new Float32Array(voice.length);
  const level = (processed: Float32Array, plain: Float32Array[]): number => {
    const recorder = new Recorder(RATE_HZ);
    const chunks = [];
    for (let at = 0; at < voice.length; at += BLOCK) {
      const cut = (channel: Float32Array): Float32Array => channel.subarray(at, at + BLOCK);
      chunks.push(...recorder.push([cut(processed), cut(processed)], plain.map(cut)));
    }
    chunks.push(...recorder.flush());
    const samples = chunks.reduce((sum, { pcm }) => sum + pcm.byteLength / 2, 0);
    expect(Math.abs(samples - WIRE_RATE_HZ)).toBeLessThan(WIRE_RATE_HZ / 50);
    return chunks[7]?.level ?? 0;
  };
  const expected = 0.1 * Math.sqrt((1 + 0.25) / 2);
  expect(level(silence, [voice, scale(voice, -1)])).toBeCloseTo(expected, 3);
  expect(level(scale(voice, 0.5), [voice, voice])).toBeCloseTo(expected / 2, 3);
  expect(level(scale(voice, 0.5), [])).toBeCloseTo(expected / 2, 3);
});
