/** Converts the sample rate of a stream with a windowed sinc, across the borders of blocks. Pure. */

/** Zero crossings of the sinc on each side; more is steeper. */
const CROSSINGS = 24;
/** Cutoff as a part of the lower Nyquist frequency. */
const ROLLOFF = 0.94;
/** Positions between two samples with a filter of their own; between those it is interpolated. */
const PHASES = 256;
/** Kaiser window: about 80 dB down in the stop band. */
const BETA = 8;

export class Resampler {
  /** Input samples for one output sample. */
  readonly #step: number;
  /** Length of the filter on each side, in input samples. */
  readonly #reach: number;
  readonly #filter: Float32Array;
  /** Input that the filter still needs, and the place of the next output sample in it. */
  #input: Float32Array;
  #at: number;

  constructor(fromHz: number, toHz: number) {
    this.#step = fromHz / toHz;
    const cutoff = ROLLOFF * Math.min(1, toHz / fromHz);
    this.#reach = Math.ceil(CROSSINGS / cutoff);
    this.#filter = buildSincTable(cutoff, this.#reach);
    this.#input = new Float32Array(this.#reach); // silence before the first sample
    this.#at = this.#reach;
  }

  /** The samples that are complete now. The reach of the filter is kept for the next block. */
  push(block: Float32Array): Float32Array {
    const input = new Float32Array(this.#input.length + block.length);
    input.set(this.#input);
    input.set(block, this.#input.length);
    const count = Math.max(0, Math.ceil((input.length - this.#reach - this.#at) / this.#step));
    const output = new Float32Array(count);
    for (let index = 0; index < count; index += 1) {
      output[index] = this.#sampleAt(input, this.#at + index * this.#step);
    }
    this.#at += count * this.#step;
    const done = Math.max(0, Math.min(input.length, Math.floor(this.#at) - this.#reach));
    this.#input = input.slice(done);
    this.#at -= done;
    return output;
  }

  /** The rest, when no more input comes. After it the resampler starts anew. */
  flush(): Float32Array {
    const tail = this.push(new Float32Array(this.#reach));
    this.#input = new Float32Array(this.#reach);
    this.#at = this.#reach;
    return tail;
  }

  #sampleAt(input: Float32Array, at: number): number {
    const base = Math.floor(at);
    const phase = (at - base) * PHASES;
    const row = Math.floor(phase);
    const part = phase - row;
    const taps = 2 * this.#reach;
    const one = row * taps;
    const other = one + taps;
    const first = base - this.#reach + 1;
    let sum = 0;
    for (let tap = 0; tap < taps; tap += 1) {
      const weight = (this.#filter[one + tap] ?? 0) * (1 - part) + (this.#filter[other + tap] ?? 0) * part;
      sum += weight * (input[first + tap] ?? 0);
    }
    return sum;
  }
}

/** One row for each phase, and one more to interpolate the last. */
function buildSincTable(cutoff: number, reach: number): Float32Array {
  const taps = 2 * reach;
  const table = new Float32Array((PHASES + 1) * taps);
  for (let row = 0; row <= PHASES; row += 1) {
    for (let tap = 0; tap < taps; tap += 1) {
      const distance = tap - reach + 1 - row / PHASES;
      table[row * taps + tap] = cutoff * sinc(cutoff * distance) * kaiser(distance / reach);
    }
  }
  return table;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x: number): number {
  return Math.abs(x) >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/** The modified Bessel function of order 0, by its series. */
function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let n = 1; term > sum * 1e-10; n += 1) {
    term *= (x / (2 * n)) ** 2;
    sum += term;
  }
  return sum;
}
