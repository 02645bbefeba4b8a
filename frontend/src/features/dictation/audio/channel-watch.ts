/** Finds channels whose average, which some browsers process in their place, cancels the voice. Pure. */

import { ChannelMixer } from "./channel-mixer";

/** Energy of the average, as a part of that of the loudest channel, below which it is cancelled: -10 dB. */
const CANCELLED = 0.1;
/** How long it must be so (s). */
const CANCELLED_S = 0.1;
/** How much sound without cancellation ends the comparison (s), and from which level on it counts: -50 dB. */
const FINE_S = 2;
const AUDIBLE = 0.003;

export type ChannelVerdict = "unknown" | "fine" | "cancelled";

export class ChannelWatch {
  readonly #mixer: ChannelMixer;
  #cancelledS = 0;
  #fineS = 0;
  #verdict: ChannelVerdict = "unknown";

  constructor(private readonly rateHz: number) {
    this.#mixer = new ChannelMixer(rateHz);
  }

  /** Final, once it is not `unknown`. */
  get verdict(): ChannelVerdict {
    return this.#verdict;
  }

  /** Look at the next block of the device's channels. Returns their mix, in frames of the mixer. */
  push(channels: readonly Float32Array[]): Float32Array {
    const mixed = this.#mixer.push(channels);
    if (this.#verdict === "unknown") this.#judge(channels);
    return mixed;
  }

  flush(): Float32Array {
    return this.#mixer.flush();
  }

  #judge(channels: readonly Float32Array[]): void {
    const seconds = (channels[0]?.length ?? 0) / this.rateHz;
    const isCancelled = this.#mixer.averageShare < CANCELLED;
    this.#cancelledS = isCancelled ? this.#cancelledS + seconds : 0;
    if (!isCancelled && channels.some((channel) => measureLevel(channel) > AUDIBLE)) this.#fineS += seconds;
    if (this.#cancelledS >= CANCELLED_S) this.#verdict = "cancelled";
    else if (this.#fineS >= FINE_S) this.#verdict = "fine";
  }
}

function measureLevel(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}
