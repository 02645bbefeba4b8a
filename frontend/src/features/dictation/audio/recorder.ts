/** From a microphone's blocks to what goes on the wire: 16 kHz PCM16 in pieces of 100 ms, each with its level. */

import { Resampler } from "./resampler";

export const WIRE_RATE_HZ = 16_000;
const PIECE_SAMPLES = WIRE_RATE_HZ / 10;

export interface Piece {
  /** PCM16 little-endian mono, at most 100 ms. */
  pcm: ArrayBuffer;
  /** Root mean square, 0 to 1. */
  level: number;
}

export class Recorder {
  readonly #resampler: Resampler | null;
  readonly #waiting = new Float32Array(PIECE_SAMPLES);
  #count = 0;

  constructor(rateHz: number) {
    this.#resampler = rateHz === WIRE_RATE_HZ ? null : new Resampler(rateHz, WIRE_RATE_HZ);
  }

  /** The pieces that are complete now; `channels` are mixed to one. */
  push(channels: readonly Float32Array[]): Piece[] {
    const mono = mixed(channels);
    return this.#cut(this.#resampler === null ? mono : this.#resampler.push(mono));
  }

  /** What is left, as a shorter piece; after it a recording begins anew. */
  flush(): Piece[] {
    const pieces = this.#cut(this.#resampler?.flush() ?? new Float32Array());
    if (this.#count > 0) pieces.push(pieceOf(this.#waiting.subarray(0, this.#count)));
    this.#count = 0;
    return pieces;
  }

  #cut(samples: Float32Array): Piece[] {
    const pieces: Piece[] = [];
    let at = 0;
    while (at < samples.length) {
      const part = samples.subarray(at, at + PIECE_SAMPLES - this.#count);
      this.#waiting.set(part, this.#count);
      this.#count += part.length;
      at += part.length;
      if (this.#count < PIECE_SAMPLES) break;
      pieces.push(pieceOf(this.#waiting));
      this.#count = 0;
    }
    return pieces;
  }
}

function mixed(channels: readonly Float32Array[]): Float32Array {
  const [first, ...others] = channels;
  if (first === undefined || others.length === 0) return first ?? new Float32Array();
  return first.map(
    (sample, index) => others.reduce((sum, one) => sum + (one[index] ?? 0), sample) / channels.length,
  );
}

function pieceOf(samples: Float32Array): Piece {
  const view = new DataView(new ArrayBuffer(samples.length * 2));
  let energy = 0;
  samples.forEach((sample, index) => {
    const clipped = Math.max(-1, Math.min(1, sample));
    energy += clipped * clipped;
    view.setInt16(index * 2, Math.round(clipped * 0x7fff), true);
  });
  return { pcm: view.buffer, level: Math.sqrt(energy / samples.length) };
}
