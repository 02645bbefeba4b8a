/**
 * Mixes the channels of a microphone to one, so that none cancels another: by correlation and energy. Pure.
 * backend/app/utils/channels.py does the same for programs in Python.
 */

/** What is weighed at once (s). */
const FRAME_S = 0.01;
/** How long a sound counts (s): its weight falls to 37 %. */
const MEMORY_S = 0.3;
const MEMORY_PER_FRAME = Math.exp(-FRAME_S / MEMORY_S);
/**
 * Channels are weighed by the change of their sum over this time (s) against the same time before: from about
 * 200 to 1500 Hz. Hum and a constant offset, which inputs share whatever their polarity, count little, and so
 * does hiss.
 */
const LAG_S = 0.0005;
/** A channel is turned below minus this correlation with those before it, and turned back above it. */
const TURNED = 0.2;

export class ChannelMixer {
  readonly #frame: number;
  readonly #lag: number;
  /** One for each channel: the samples of two lags, then those of the frame. */
  #buffers: Float32Array[] = [];
  #count = 0;
  /** Products of each pair of channels, in rows. */
  #products = new Float64Array();
  #signs: number[] = [];
  /** The weights at the end of the last frame; empty before the first sound. */
  #weights: number[] = [];

  constructor(rateHz: number) {
    this.#frame = Math.max(1, Math.round(rateHz * FRAME_S));
    this.#lag = Math.max(1, Math.round(rateHz * LAG_S));
  }

  /** The samples whose frame is complete. A single channel comes out at once, as it is. */
  push(channels: readonly Float32Array[]): Float32Array {
    const [first] = channels;
    if (first === undefined) return new Float32Array();
    const isOther = channels.length !== Math.max(1, this.#buffers.length);
    const rest = isOther ? [this.flush()] : [];
    if (channels.length === 1) return concatenate([...rest, first]);
    if (isOther) this.#start(channels.length);
    const frames = [...rest];
    for (let at = 0; at < first.length;) {
      const size = Math.min(first.length - at, this.#frame - this.#count);
      this.#buffers.forEach((buffer, channel) =>
        buffer.set(channels[channel]?.subarray(at, at + size) ?? [], 2 * this.#lag + this.#count),
      );
      this.#count += size;
      at += size;
      if (this.#count === this.#frame) frames.push(this.#mix());
    }
    return concatenate(frames);
  }

  /** The rest. What follows is weighed anew. */
  flush(): Float32Array {
    const rest = this.#count > 0 ? this.#mix() : new Float32Array();
    this.#buffers = [];
    return rest;
  }

  /** Energy of the plain average of the channels, as a part of that of the loudest; 1 where there is none. */
  get averageShare(): number {
    const count = this.#buffers.length;
    const loudest = Math.max(0, ...this.#buffers.map((_, channel) => this.#product(channel, channel)));
    return loudest > 0 ? this.#products.reduce((sum, one) => sum + one, 0) / (count * count * loudest) : 1;
  }

  #start(count: number): void {
    this.#buffers = Array.from({ length: count }, () => new Float32Array(2 * this.#lag + this.#frame));
    this.#products = new Float64Array(count * count);
    this.#signs = Array<number>(count).fill(1);
    this.#weights = [];
    this.#count = 0;
  }

  #mix(): Float32Array {
    this.#weigh();
    const before = this.#weights;
    const after = this.#chooseWeights();
    const mixed = new Float32Array(this.#count);
    this.#buffers.forEach((buffer, channel) => {
      const to = after[channel] ?? 0;
      const from = before[channel] ?? to;
      for (let index = 0; index < mixed.length; index += 1) {
        const weight = from + ((to - from) * (index + 1)) / mixed.length;
        mixed[index] = (mixed[index] ?? 0) + weight * (buffer[2 * this.#lag + index] ?? 0);
      }
      buffer.copyWithin(0, this.#count, this.#count + 2 * this.#lag);
    });
    this.#weights = this.#isSilent ? [] : after;
    this.#count = 0;
    return mixed;
  }

  get #isSilent(): boolean {
    return this.#buffers.every((_, channel) => this.#product(channel, channel) === 0);
  }

  /** Add the products of this frame to those before it. */
  #weigh(): void {
    const count = this.#buffers.length;
    const [changes, size] = [this.#buffers.map((buffer) => this.#differ(buffer)), this.#count];
    for (let one = 0; one < count; one += 1) {
      for (let other = 0; other < count; other += 1) {
        let sum = 0;
        for (let index = 0; index < size; index += 1) {
          sum += (changes[one]?.[index] ?? 0) * (changes[other]?.[index] ?? 0);
        }
        this.#products[one * count + other] = MEMORY_PER_FRAME * this.#product(one, other) + sum;
      }
    }
  }

  #differ(buffer: Float32Array): Float64Array {
    const [lag, before] = [this.#lag, 2 * this.#lag];
    const changes = new Float64Array(this.#count);
    let change = 0;
    for (let at = 0; at < before; at += 1) change += (at < lag ? -1 : 1) * (buffer[at] ?? 0);
    for (let index = 0; index < changes.length; index += 1) {
      const at = before + index;
      change += (buffer[at] ?? 0) - 2 * (buffer[at - lag] ?? 0) + (buffer[index] ?? 0);
      changes[index] = change;
    }
    return changes;
  }

  /** Louder channels weigh more; one that runs against those before it is turned. The sizes sum to 1. */
  #chooseWeights(): number[] {
    const count = this.#buffers.length;
    const sizes = this.#buffers.map((_, channel) => Math.sqrt(this.#product(channel, channel)));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total === 0) return sizes.map(() => 1 / count);
    const weights: number[] = [];
    sizes.forEach((size, channel) => {
      const along = this.#correlate(weights, channel);
      if (Math.abs(along) > TURNED) this.#signs[channel] = Math.sign(along);
      weights.push(((this.#signs[channel] ?? 1) * size) / total);
    });
    return weights;
  }

  /** Correlation of a channel with the mix of those before it, -1 to 1. */
  #correlate(weights: readonly number[], channel: number): number {
    let [covariance, variance] = [0, 0];
    weights.forEach((weight, one) => {
      covariance += weight * this.#product(one, channel);
      weights.forEach((other, two) => (variance += weight * other * this.#product(one, two)));
    });
    const scale = Math.sqrt(Math.max(0, variance) * this.#product(channel, channel));
    return scale > 0 ? covariance / scale : 0;
  }

  #product(one: number, other: number): number {
    return this.#products[one * this.#buffers.length + other] ?? 0;
  }
}

function concatenate(blocks: readonly Float32Array[]): Float32Array {
  const [only] = blocks;
  if (blocks.length === 1 && only !== undefined) return only;
  const all = new Float32Array(blocks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const block of blocks) {
    all.set(block, at);
    at += block.length;
  }
  return all;
}
