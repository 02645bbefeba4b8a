/** A microphone that is closed leaves nothing behind, in the order that browsers need for it. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Microphone } from "./microphone";

const done: string[] = [];
let isDeaf = false;
let node: FakeNode;

class FakeNode {
  readonly port = {
    onmessage: null as ((event: { data: unknown }) => void) | null,
    postMessage: (question: string) => {
      done.push(question);
      const answer = question === "flush" ? "flushed" : "over";
      if (!isDeaf) queueMicrotask(() => this.port.onmessage?.({ data: answer }));
    },
    close: () => done.push("port closed"),
  };

  constructor() {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    node = this;
  }

  hear(level: number): void {
    this.port.onmessage?.({ data: { pcm: new ArrayBuffer(2), level } });
  }
}

class FakeContext {
  state = "running";
  readonly audioWorklet = { addModule: () => Promise.resolve() };

  createMediaStreamSource() {
    return { connect: () => done.push("connected"), disconnect: () => done.push("disconnected") };
  }

  close(): Promise<void> {
    this.state = "closed";
    done.push("context closed");
    return Promise.resolve();
  }
}

const track = { onended: null, enabled: true, stop: () => done.push("track stopped") };
const stream = { getTracks: () => [track], getAudioTracks: () => [track] };
const options = { deviceId: "", echoCancellation: true, noiseSuppression: true };

beforeEach(() => {
  done.length = 0;
  isDeaf = false;
  vi.stubGlobal("AudioContext", FakeContext);
  vi.stubGlobal("AudioWorkletNode", FakeNode);
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: () => Promise.resolve(stream) } });
});
afterEach(() => vi.unstubAllGlobals());

it("waits for its worklet before it closes the context, and hears nothing more", async () => {
  const heard: number[] = [];
  const microphone = await Microphone.open(options, { onPiece: ({ level }) => heard.push(level), onLost: () => undefined });
  node.hear(1);
  await microphone.flush();
  const closed = microphone.close();
  node.hear(2);
  await closed;
  expect(heard).toEqual([1]);
  expect(done).toEqual(["connected", "flush", "track stopped", "disconnected", "end", "port closed", "context closed"]);
});

it("closes also where the audio thread does not answer", async () => {
  const microphone = await Microphone.open(options, { onPiece: () => undefined, onLost: () => undefined });
  isDeaf = true;
  await microphone.flush();
  await microphone.close();
  expect(done.at(-1)).toBe("context closed");
});

it("lets go of the microphone where there is no audio context to be had", async () => {
  vi.stubGlobal("AudioContext", class {
    constructor() {
      throw new Error("too many");
    }
  });
  const opened = Microphone.open(options, { onPiece: () => undefined, onLost: () => undefined });
  await expect(opened).rejects.toMatchObject({ failure: { kind: "unsupported", detail: "too many" } });
  expect(done).toEqual(["track stopped"]);
});
