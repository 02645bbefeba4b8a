/** Runs in the audio thread: records every block of the microphone and posts chunks to the page. */

import { type AudioChunk, Recorder } from "./recorder";

// TypeScript's DOM library lacks the globals of worklets.
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => object): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

class RecorderProcessor extends AudioWorkletProcessor {
  readonly #recorder = new Recorder(sampleRate);
  #isOver = false;
  #isCompared = false;

  constructor() {
    super();
    // "flush" asks for the rest; after "end" the browser may free this node.
    this.port.onmessage = ({ data }: MessageEvent<"flush" | "end">) => {
      this.#isOver = data === "end";
      if (data !== "flush") return;
      this.#post(this.#recorder.flush());
      this.port.postMessage("flushed");
    };
  }

  /** The inputs: the microphone, and for a while the same microphone without the browser's processing. */
  process([channels = [], plain]: Float32Array[][]): boolean {
    this.#post(this.#recorder.push(channels, plain));
    if (!this.#isCompared && this.#recorder.verdict !== "unknown") {
      this.#isCompared = true;
      this.port.postMessage(this.#recorder.verdict);
    }
    if (this.#isOver) this.port.postMessage("over");
    return !this.#isOver;
  }

  #post(chunks: AudioChunk[]): void {
    for (const chunk of chunks) this.port.postMessage(chunk, [chunk.pcm]);
  }
}

registerProcessor("prompter-recorder", RecorderProcessor);
