/** One speech socket: sends the first messages, pings, notices a lost connection, reports how it ended. */
import type { ServerEvent } from "@/shared/api/types";

import type { SocketEnd } from "./failure";
import type { OutgoingMessage } from "./messages";

/** After this long without a message a ping is sent: the server closes idle sockets. */
const PING_AFTER_MS = 5000;
/** The server acknowledges audio once a second. After this much silence it is pinged. */
const CHECK_SILENCE_MS = 2000;
/** After this much silence the connection is lost. */
const LOST_SILENCE_MS = 6000;
/** The longest wait for a connection. */
const CONNECT_TIMEOUT_MS = 8000;
const CHECK_MS = 1000;
/**
 * Above this, network or server are slower than speech: more audio waits in the queue, where it can be sent
 * again.
 */
const CONGESTED_BYTES = 256 << 10;

export interface SpeechSocketOptions {
  socket: WebSocket;
  /** Sent first, in this order. */
  firstMessages: readonly OutgoingMessage[];
  onEvent: (event: ServerEvent) => void;
  /** Called once, and no event after it. */
  onEnd: (end: SocketEnd) => void;
}

export class SpeechSocket {
  readonly #socket: WebSocket;
  readonly #options: SpeechSocketOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #receivedAtMs = performance.now();
  #sentAtMs = performance.now();
  /** The server must answer in time, but only once the engine is loaded: that may take minutes. */
  #isWatched = false;
  #error: SocketEnd["error"] = null;
  #isOver = false;

  constructor(options: SpeechSocketOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => options.firstMessages.forEach((message) => this.send(message));
    this.#socket.onmessage = ({ data }: MessageEvent<unknown>) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.#end(code, reason);
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  get isCongested(): boolean {
    return this.#socket.bufferedAmount > CONGESTED_BYTES;
  }

  send(message: OutgoingMessage): void {
    this.#transmit(JSON.stringify(message));
  }

  sendAudio(frame: ArrayBuffer): void {
    this.#transmit(frame);
  }

  /** Close without an `onEnd`. Code 1000 ends the dictation on the server, too. */
  close(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#socket.close(1000);
  }

  /** Give up a connection that may look open for minutes; the dictation can be resumed on another one. */
  abandon(): void {
    this.#end(1006, "");
    this.#socket.close(4000);
  }

  #transmit(data: string | ArrayBuffer): void {
    if (this.#isOver || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#sentAtMs = performance.now();
    this.#socket.send(data);
  }

  #receive(data: unknown): void {
    if (this.#isOver || typeof data !== "string") return;
    this.#receivedAtMs = performance.now();
    const event = JSON.parse(data) as ServerEvent;
    if (event.type === "ready" || event.type === "resumed") this.#isWatched = true;
    if (event.type === "error" && event.fatal) {
      this.#error = { code: event.code, message: event.message, note: event.note };
      return; // the close follows
    }
    this.#options.onEvent(event);
  }

  #check(): void {
    const nowMs = performance.now();
    const silenceMs = nowMs - this.#receivedAtMs;
    const isConnecting = this.#socket.readyState === WebSocket.CONNECTING;
    if (isConnecting ? silenceMs > CONNECT_TIMEOUT_MS : this.#isWatched && silenceMs > LOST_SILENCE_MS)
      return this.abandon();
    const isSilent = this.#isWatched && silenceMs >= CHECK_SILENCE_MS;
    if (isSilent || nowMs - this.#sentAtMs >= PING_AFTER_MS) this.send({ type: "ping" });
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#options.onEnd({ code, reason, error: this.#error });
  }
}
