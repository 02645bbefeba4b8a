/** Turns the blocks of a microphone into chunks for the wire: 16 kHz PCM16, 100 ms each. Pure. */

import { ChannelMixer } from "./channel-mixer";
import { type ChannelVerdict, ChannelWatch } from "./channel-watch";
import { Resampler } from "./resampler";

export const WIRE_RATE_HZ = 16_000;
const CHUNK_SAMPLES = WIRE_RATE_HZ / 10;

export interface AudioChunk {
  /** PCM16 little-endian mono, at most 100 ms. */
  pcm: ArrayBuffer;
  /** Root mean square, 0 to 1. */
  level: number;
  /** The browser gave nothing in all this time: it is silence that the recorder put in. */
  isMissing: boolean;
}

export class Recorder {
  readonly #mixer: ChannelMixer;
  readonly #watch: ChannelWatch;
  readonly #resampler: Resampler | null;
  readonly #pending = new Float32Array(CHUNK_SAMPLES);
  #count = 0;
  /** A silent block with the channels and samples of the last one; without channels before the first. */
  #silence: readonly Float32Array[] = [];
  /** Whether the browser gave nothing: in the last block, and in all since the last chunk. */
  #isBlockMissing = true;
  #isMissing = true;

  constructor(rateHz: number) {
    this.#mixer = new ChannelMixer(rateHz);
    this.#watch = new ChannelWatch(rateHz);
    this.#resampler = rateHz === WIRE_RATE_HZ ? null : new Resampler(rateHz, WIRE_RATE_HZ);
  }

  /** What `plain` says about `channels`: where their voice is cancelled, `plain` is recorded. */
  get verdict(): ChannelVerdict {
    return this.#watch.verdict;
  }

  /**
   * The chunks that are complete now. The channels are mixed to one.
   *
   * After the first block, one without channels is silence, so that an utterance ends: Firefox gives no
   * channels of a muted microphone.
   *
   * @param channels the microphone as the browser processed it
   * @param plain the same microphone without processing, while the two are compared
   */
  push(channels: readonly Float32Array[], plain: readonly Float32Array[] = []): AudioChunk[] {
    const unprocessed = this.#watch.push(plain);
    const processed = this.#fill(channels);
    const mono = this.verdict === "cancelled" ? unprocessed : this.#mixer.push(processed);
    return this.#cut(this.#resampler === null ? mono : this.#resampler.push(mono));
  }

  /** The rest as a shorter chunk; the next block starts a new recording. */
  flush(): AudioChunk[] {
    const rest = (this.verdict === "cancelled" ? this.#watch : this.#mixer).flush();
    const chunks = this.#cut(this.#resampler === null ? rest : this.#resampler.push(rest));
    chunks.push(...this.#cut(this.#resampler?.flush() ?? new Float32Array()));
    if (this.#count > 0) chunks.push(this.#makeChunk());
    return chunks;
  }

  #fill(channels: readonly Float32Array[]): readonly Float32Array[] {
    this.#isBlockMissing = channels.length === 0;
    if (this.#isBlockMissing) return this.#silence;
    this.#isMissing = false;
    const [first, last] = [channels[0], this.#silence[0]];
    if (channels.length !== this.#silence.length || first?.length !== last?.length)
      this.#silence = channels.map(({ length }) => new Float32Array(length));
    return channels;
  }

  #cut(samples: Float32Array): AudioChunk[] {
    const chunks: AudioChunk[] = [];
    let at = 0;
    while (at < samples.length) {
      const part = samples.subarray(at, at + CHUNK_SAMPLES - this.#count);
      this.#pending.set(part, this.#count);
      this.#count += part.length;
      at += part.length;
      if (this.#count < CHUNK_SAMPLES) break;
      chunks.push(this.#makeChunk());
    }
    return chunks;
  }

  #makeChunk(): AudioChunk {
    const chunk = { ...encode(this.#pending.subarray(0, this.#count)), isMissing: this.#isMissing };
    this.#count = 0;
    this.#isMissing = this.#isBlockMissing;
    return chunk;
  }
}

function encode(samples: Float32Array): Omit<AudioChunk, "isMissing"> {
  const view = new DataView(new ArrayBuffer(samples.length * 2));
  let energy = 0;
  samples.forEach((sample, index) => {
    const clipped = Math.max(-1, Math.min(1, sample));
    energy += clipped * clipped;
    view.setInt16(index * 2, Math.round(clipped * 0x7fff), true);
  });
  return { pcm: view.buffer, level: Math.sqrt(energy / samples.length) };
}
