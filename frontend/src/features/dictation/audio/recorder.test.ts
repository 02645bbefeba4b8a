/** Recording: any rate and any blocks give the same sound at 16 kHz, without aliases from above 8 kHz. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { type AudioChunk, Recorder, WIRE_RATE_HZ } from "./recorder";
import { Resampler } from "./resampler";

const RATES_HZ = [8000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];

function tone(hz: number, rateHz: number, seconds: number): Float32Array {
  return Float32Array.from(
    { length: Math.round(rateHz * seconds) },
    (_, index) => 0.5 * Math.sin((2 * Math.PI * hz * index) / rateHz),
  );
}

function joined(blocks: Float32Array[]): Float32Array {
  return Float32Array.from(blocks.flatMap((block) => [...block]));
}

function resampled(input: Float32Array, rateHz: number): Float32Array {
  const resampler = new Resampler(rateHz, WIRE_RATE_HZ);
  return joined([resampler.push(input), resampler.flush()]);
}

function rms(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

describe("the resampler", () => {
  it.each(RATES_HZ)(
    "keeps a voice of %i Hz as it is: same length, same place, 60 dB above the error",
    (rateHz) => {
      for (const hz of [120, 1000, 3100]) {
        const got = resampled(tone(hz, rateHz, 0.5), rateHz);
        const want = tone(hz, WIRE_RATE_HZ, 0.5);
        expect(Math.abs(got.length - want.length)).toBeLessThanOrEqual(1);
        const middle = { from: 800, to: want.length - 800 };
        const error = want.map((sample, index) => sample - (got[index] ?? 0)).slice(middle.from, middle.to);
        expect(20 * Math.log10(rms(want) / rms(error))).toBeGreaterThan(60);
      }
    },
  );

  it.each(RATES_HZ.filter((rateHz) => rateHz >= 32_000))("folds nothing of %i Hz into speech", (rateHz) => {
    for (const hz of [9000, 12_000, 15_500]) {
      const got = resampled(tone(hz, rateHz, 0.5), rateHz).slice(800, -800);
      expect(20 * Math.log10(rms(got) / 0.35)).toBeLessThan(-60);
    }
  });
});

describe("the recorder", () => {
  it("gives the same bytes however the blocks are cut", () => {
    const sound = tone(440, 48_000, 0.4);
    const bytesOf = (recorder: Recorder, cuts: number[]): number[] => {
      const chunks = [];
      let at = 0;
      for (const cut of [...cuts, sound.length]) {
        chunks.push(...recorder.push([sound.subarray(at, at + cut)]));
        at += cut;
      }
      return [...chunks, ...recorder.flush()].flatMap((chunk) => [...new Uint8Array(chunk.pcm)]);
    };
    const whole = bytesOf(new Recorder(48_000), []);
    expect(whole.length).toBe(2 * 6400);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 30 }), (cuts) => {
        expect(bytesOf(new Recorder(48_000), cuts)).toEqual(whole);
      }),
      { numRuns: 25 },
    );
  });

  it("tells chunks of 100 ms with their level, mixes channels, and clips", () => {
    const recorder = new Recorder(WIRE_RATE_HZ);
    const [chunk, ...more] = recorder.push([
      new Float32Array(1700).fill(1.5),
      new Float32Array(1700).fill(1.5),
    ]);
    expect(more).toEqual([]);
    expect(chunk?.pcm.byteLength).toBe(3200);
    expect(new Int16Array(chunk?.pcm ?? new ArrayBuffer(0))[7]).toBe(32_767);
    expect(chunk?.level).toBe(1);
    expect(recorder.flush().map(({ pcm }) => pcm.byteLength)).toEqual([200]);
    const sound = tone(440, WIRE_RATE_HZ, 0.1);
    for (const other of [sound, sound.map((sample) => -sample), new Float32Array(1600)]) {
      const [mixed] = new Recorder(WIRE_RATE_HZ).push([sound, other]);
      expect(mixed?.level).toBeCloseTo(rms(sound), 3);
    }
  });

  it("goes on with silence where the browser gives no channels, once there was a sound, and says so", () => {
    const block = 128;
    const recorder = new Recorder(WIRE_RATE_HZ);
    const push = (blocks: number, channels: Float32Array[]): AudioChunk[] =>
      Array.from({ length: blocks }, () => recorder.push(channels)).flat();
    expect(push(50, [])).toEqual([]); // the microphone is not open yet
    const sounds = push(13, [new Float32Array(block).fill(0.5)]); // 104 ms
    expect(sounds.map(({ isMissing }) => isMissing)).toEqual([false]);
    const [mixed, ...silence] = push(50, []); // 400 ms
    expect(mixed?.isMissing).toBe(false);
    expect(silence).toHaveLength(3);
    for (const { isMissing, level, pcm } of silence)
      expect([isMissing, level, pcm.byteLength]).toEqual([true, 0, 3200]);
    const [back] = push(13, [new Float32Array(block).fill(0.5)]);
    expect(back?.isMissing).toBe(false);
  });
});
