/** Mixing: whatever the channels of a microphone do to each other, the voice in them comes out. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { ChannelMixer } from "./channel-mixer";

const RATES_HZ = [8000, 16_000, 44_100, 48_000];
const RATE_HZ = 16_000;

/** Syllables with pauses between them: two tones of a voice, loud for 200 ms of each 350 ms. */
function makeVoice(seconds: number, rateHz = RATE_HZ, hz = 210): Float32Array {
  return fill(seconds * rateHz, (index) => {
    const at = index / rateHz;
    const isLoud = at % 0.35 < 0.2 && at > 0.1;
    return isLoud ? 0.2 * Math.sin(2 * Math.PI * hz * at) + 0.1 * Math.sin(2 * Math.PI * 6.1 * hz * at) : 0;
  });
}

/** The same noise for the same seed. */
function makeNoise(seconds: number, level: number, seed: number): Float32Array {
  let state = seed;
  return fill(seconds * RATE_HZ, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return level * (state / 2 ** 31 - 1);
  });
}

function fill(length: number, sample: (index: number) => number): Float32Array {
  return Float32Array.from({ length: Math.round(length) }, (_, index) => sample(index));
}

const add = (one: Float32Array, other: Float32Array): Float32Array =>
  one.map((sample, index) => sample + (other[index] ?? 0));
const scale = (one: Float32Array, by: number): Float32Array => one.map((sample) => by * sample);

function mix(channels: readonly Float32Array[], rateHz = RATE_HZ, block = 128): Float32Array {
  const mixer = new ChannelMixer(rateHz);
  const mixed: number[] = [];
  for (let at = 0; at < (channels[0]?.length ?? 0); at += block) {
    mixed.push(...mixer.push(channels.map((channel) => channel.subarray(at, at + block))));
  }
  return Float32Array.from([...mixed, ...mixer.flush()]);
}

const energy = (samples: Float32Array): number => samples.reduce((sum, sample) => sum + sample * sample, 0);
/** How far `mixed` is from `voice` times the factor that fits best (dB below it). */
function measureError(mixed: Float32Array, voice: Float32Array): number {
  const product = voice.reduce((sum, sample, index) => sum + sample * (mixed[index] ?? 0), 0);
  const fitted = scale(voice, product / energy(voice));
  return 10 * Math.log10(energy(fitted) / energy(add(mixed, scale(fitted, -1))));
}

describe("a voice comes out", () => {
  it.each(RATES_HZ)("as it is at %i Hz, where the other channel is equal, inverted or silent", (rateHz) => {
    const voice = makeVoice(1, rateHz);
    const silence = new Float32Array(voice.length);
    for (const other of [voice, scale(voice, -1), silence]) {
      for (const channels of [
        [voice, other],
        [other, voice],
      ]) {
        const mixed = mix(channels, rateHz);
        expect(measureError(mixed, voice)).toBeGreaterThan(60);
        expect(energy(mixed) / energy(voice)).toBeCloseTo(1, 6);
      }
    }
  });

  it("where one channel of two is inverted, quieter, and both have noise, hum and an offset", () => {
    const voice = makeVoice(3);
    const hum = fill(voice.length, (index) => 0.1 * Math.sin((2 * Math.PI * 50 * index) / RATE_HZ) + 0.2);
    for (const by of [-1, -0.5, -0.2]) {
      const shared = [voice, scale(voice, by)].map((channel) => add(channel, hum));
      const noisy = shared.map((channel, index) => add(channel, makeNoise(3, 0.01, index + 1)));
      const mixed = mix(noisy);
      // The voice is not cancelled: at most 3 dB below that of the better channel.
      const kept =
        voice.reduce((sum, sample, index) => sum + sample * (mixed[index] ?? 0), 0) / energy(voice);
      expect(Math.abs(kept)).toBeGreaterThan(0.7);
    }
  });

  it("where the other channel has nothing but noise 20 dB below it: the noise stays away", () => {
    const voice = makeVoice(2);
    for (const seed of [1, 2, 3]) {
      const mixed = mix([makeNoise(2, 0.02, seed), voice]);
      expect(measureError(mixed, voice)).toBeGreaterThan(20);
    }
  });

  it("where each channel has a voice of its own: both are heard", () => {
    const [one, other] = [makeVoice(2, RATE_HZ, 180), makeVoice(2, RATE_HZ, 263)];
    const mixed = mix([one, other]);
    for (const voice of [one, other]) {
      const kept =
        voice.reduce((sum, sample, index) => sum + sample * (mixed[index] ?? 0), 0) / energy(voice);
      expect(Math.abs(kept)).toBeGreaterThan(0.4);
    }
  });

  it("where the voice goes from one channel to the other", () => {
    const voice = makeVoice(1);
    const silence = new Float32Array(voice.length);
    const join = (one: Float32Array, two: Float32Array) => Float32Array.from([...one, ...two]);
    const mixed = mix([join(voice, silence), join(silence, voice)]);
    const second = mixed.slice(voice.length);
    expect(energy(second)).toBeGreaterThan(0.25 * energy(voice));
  });

  it("of any number of channels of any polarity, and never louder than the loudest", () => {
    const voice = makeVoice(1);
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(-1, -0.6, -0.3, 0, 0.3, 0.6, 1), { minLength: 2, maxLength: 6 }),
        (gains) => {
          const loudest = Math.max(...gains.map(Math.abs));
          fc.pre(loudest > 0);
          const mixed = mix(gains.map((gain) => scale(voice, gain)));
          expect(energy(mixed)).toBeGreaterThan(0.2 * loudest ** 2 * energy(voice));
          expect(energy(mixed)).toBeLessThanOrEqual(1.000001 * loudest ** 2 * energy(voice));
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("the mixer", () => {
  it("gives the same samples however the blocks are cut", () => {
    const channels = [makeVoice(0.5), add(scale(makeVoice(0.5), -0.7), makeNoise(0.5, 0.01, 4))];
    const whole = mix(channels, RATE_HZ, 8000);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (block) => {
        expect(mix(channels, RATE_HZ, block)).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  it("gives a single channel at once, and loses nothing where the number of channels changes", () => {
    const mixer = new ChannelMixer(RATE_HZ);
    const voice = makeVoice(0.5);
    const parts = [voice.subarray(0, 3000), voice.subarray(3000, 5050), voice.subarray(5050)] as const;
    const got = [
      ...mixer.push([parts[0]]),
      ...mixer.push([parts[1], parts[1]]),
      ...mixer.push([parts[2]]),
      ...mixer.flush(),
    ];
    expect(got.length).toBe(voice.length);
    expect(energy(add(Float32Array.from(got), scale(voice, -1)))).toBeLessThan(1e-9 * energy(voice));
    expect(mixer.push([])).toEqual(new Float32Array());
  });
});
