/** Runs in the audio thread: records every block of the microphone, and tells the page piece by piece. */

import { type Piece, Recorder } from "./recorder";

// TypeScript's DOM library lacks the worklet's own world.
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: new () => object): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

class RecorderProcessor extends AudioWorkletProcessor {
  readonly #recorder = new Recorder(sampleRate);
  #isOver = false;

  constructor() {
    super();
    // "flush" asks for what is left; after "end" the browser may drop this node.
    this.port.onmessage = ({ data }: MessageEvent<"flush" | "end">) => {
      this.#isOver = data === "end";
      if (data !== "flush") return;
      this.#tell(this.#recorder.flush());
      this.port.postMessage("flushed");
    };
  }

  process([channels]: Float32Array[][]): boolean {
    if (channels !== undefined && channels.length > 0) this.#tell(this.#recorder.push(channels));
    if (this.#isOver) this.port.postMessage("over");
    return !this.#isOver;
  }

  #tell(pieces: Piece[]): void {
    for (const piece of pieces) this.port.postMessage(piece, [piece.pcm]);
  }
}

registerProcessor("prompter-recorder", RecorderProcessor);
