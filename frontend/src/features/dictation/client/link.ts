/** One speech socket: says hello, keeps it alive, notices when nobody is there any more, and tells how it ended. */

import type { ServerEvent } from "@/shared/api/types";

import type { Ended } from "./failure";
import type { Saying } from "./messages";

/** Without audio for this long a ping goes out, or the server would close. */
const KEEP_ALIVE_MS = 5000;
/** A server acknowledges audio once a second; one that is silent for this long is asked whether it is there. */
const ASK_MS = 2000;
/** … and with nothing heard for this long it is not. */
const SILENCE_MS = 6000;
/** An address where nobody answers. */
const CONNECT_MS = 8000;
const CHECK_MS = 1000;
/** Above this the network, or the server, is slower than speech: the rest waits where it can be sent again. */
const CONGESTED_BYTES = 256 << 10;

export interface LinkOptions {
  socket: WebSocket;
  /** Sent first, in this order. */
  hello: readonly Saying[];
  onEvent: (event: ServerEvent) => void;
  /** Once, and nothing after it. */
  onEnd: (ended: Ended) => void;
}

export class Link {
  readonly #socket: WebSocket;
  readonly #options: LinkOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #heardAtMs = performance.now();
  #spokeAtMs = performance.now();
  /** Once the engine is loaded, which takes the time that it takes. */
  #isWatched = false;
  #error: Ended["error"] = null;
  #isOver = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => options.hello.forEach((message) => this.send(message));
    this.#socket.onmessage = ({ data }: MessageEvent<unknown>) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.#end(code, reason);
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  get isCongested(): boolean {
    return this.#socket.bufferedAmount > CONGESTED_BYTES;
  }

  send(message: Saying): void {
    this.#put(JSON.stringify(message));
  }

  sendAudio(frame: ArrayBuffer): void {
    this.#put(frame);
  }

  /** Close without an `onEnd`. With 1000 the dictation is over, too. */
  close(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#socket.close(1000);
  }

  /** Give the connection up: it may look open for minutes, and the dictation shall wait for another. */
  abandon(): void {
    this.#end(1006, "");
    this.#socket.close(4000);
  }

  #put(data: string | ArrayBuffer): void {
    if (this.#isOver || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#spokeAtMs = performance.now();
    this.#socket.send(data);
  }

  #receive(data: unknown): void {
    if (this.#isOver || typeof data !== "string") return;
    this.#heardAtMs = performance.now();
    const event = JSON.parse(data) as ServerEvent;
    if (event.type === "ready" || event.type === "resumed") this.#isWatched = true;
    if (event.type === "error" && event.fatal) {
      this.#error = { code: event.code, message: event.message };
      return; // the close that follows says the rest
    }
    this.#options.onEvent(event);
  }

  #check(): void {
    const nowMs = performance.now();
    const silenceMs = nowMs - this.#heardAtMs;
    const isConnecting = this.#socket.readyState === WebSocket.CONNECTING;
    if (isConnecting ? silenceMs > CONNECT_MS : this.#isWatched && silenceMs > SILENCE_MS)
      return this.abandon();
    const isAsked = this.#isWatched && silenceMs >= ASK_MS;
    if (isAsked || nowMs - this.#spokeAtMs >= KEEP_ALIVE_MS) this.send({ type: "ping" });
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#options.onEnd({ code, reason, error: this.#error });
  }
}
