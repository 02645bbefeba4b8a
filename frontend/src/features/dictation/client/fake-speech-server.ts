/** For tests: a speech server that follows the documented protocol, and whose connections can be cut. */
import type { OutgoingMessage, StartConfig } from "./messages";

interface Wire {
  type: string;
  [field: string]: unknown;
}

interface Kept {
  safe_ms: number;
  from_ms: number;
  /** By default that of a dictation that did not go on with another. */
  base_ms?: number;
}

/** What one dictation has received, over all its sockets. */
export class FakeDictation {
  readonly received: number[] = [];
  readonly events: Wire[] = [];
  frames = 0;
  isStopping = false;

  constructor(
    readonly token: string,
    readonly start: OutgoingMessage,
  ) {}
}

export class FakeSpeechServer {
  readonly sockets: FakeSocket[] = [];
  readonly dictations: FakeDictation[] = [];
  /** New sockets get no connection. */
  isDown = false;
  forgets = false;
  /** Whether another server goes on with its dictations where it stops. */
  survives = false;
  /** These cannot be resumed. */
  readonly forgotten = new Set<FakeDictation>();
  /** What a server that died has of the dictation before, as `ready` tells it. */
  kept: Kept | null = null;
  /** The same of one dictation. */
  findKept: (dictationId: string, toldMs: number) => Kept | null = () => this.kept;
  /** Its engine takes its time: no `start` is answered. */
  isLoading = false;
  /** Its engine takes its time: no `stop` is answered, and pings are. */
  isSlow = false;
  /** Every message meets a fault of the server. */
  isBroken = false;
  /** Errors for the next `start`s. */
  refusals: Wire[] = [];

  readonly connect = (): WebSocket => {
    const socket = new FakeSocket(this);
    this.sockets.push(socket);
    return socket as unknown as WebSocket;
  };

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("nobody has connected");
    return socket;
  }

  get dictation(): FakeDictation {
    const dictation = this.dictations.at(-1);
    if (dictation === undefined) throw new Error("nothing was started");
    return dictation;
  }

  /** Store an event of the dictation, and send it where a socket is connected. */
  emit(event: Wire, dictation = this.dictation): void {
    const numbered = { ...event, seq: dictation.events.length + 1, session_id: "s" };
    dictation.events.push(numbered);
    if (this.socket.dictation === dictation && !this.socket.isMute) this.socket.give(numbered);
  }

  /** Acknowledge all that came, as once a second; 100 ms of each frame. */
  acknowledge(frames = this.dictation.frames, more: object = {}, dictation = this.dictation): void {
    this.emit(
      { type: "ack", audio_seq: frames, received_ms: 100 * frames, backlog_ms: 0, ...more },
      dictation,
    );
  }

  say(
    type: "partial" | "final",
    utterance: number,
    text: string,
    endMs = 0,
    more: object = {},
    dictation = this.dictation,
  ): void {
    const times = { speech_end_ms: endMs, endpoint_ms: 300, queue_ms: 10, decode_ms: 20 };
    const body = { utterance_id: utterance, text, stable: "", end_ms: endMs, provider: "fake", model: null };
    this.emit({ type, ...body, ...(type === "final" ? { timing: times } : {}), ...more }, dictation);
  }

  handle(socket: FakeSocket, message: Wire): void {
    if (this.isBroken) return socket.breakDown();
    switch (message.type) {
      case "start": {
        if (this.isLoading) return;
        const refusal = this.refusals.shift();
        if (refusal !== undefined) return socket.give({ seq: 1, ...refusal });
        const config = message["config"] as StartConfig | undefined;
        const before = config?.continues_dictation;
        const kept = before ? this.findKept(before, config.told_ms ?? 0) : null;
        socket.dictation = new FakeDictation(`t${this.dictations.length}`, message as OutgoingMessage);
        this.dictations.push(socket.dictation);
        const engine = { provider: "fake", model: null, lang: "en", reason: null };
        const id = `d${this.dictations.length}`;
        const times = kept ?? { safe_ms: null, from_ms: null };
        const base_ms = times.from_ms ?? 0;
        const keeping = { dictation_id: id, spooled: true, survives: this.survives, base_ms, ...times };
        return this.emit({ type: "ready", resume_token: socket.dictation.token, ...engine, ...keeping });
      }
      case "resume":
        return this.#resume(socket, message);
      case "flush":
        if (socket.dictation === null) return; // its engine loads
        return this.emit({ type: "flushed", id: message["id"] }, socket.dictation);
      case "ping":
        if (socket.dictation === null) return; // its engine loads
        return this.emit({ type: "pong", id: null }, socket.dictation);
      case "stop":
        if (socket.dictation === null) return; // its engine loads
        socket.dictation.isStopping = true;
        if (this.isSlow) return;
        return this.emit({ type: "stopped", stats: {} }, socket.dictation);
    }
  }

  #resume(socket: FakeSocket, message: Wire): void {
    const dictation = this.dictations.find((one) => one.token === message["resume_token"]);
    const seq = message["last_event_seq"] as number;
    if (dictation === undefined || this.forgets || this.forgotten.has(dictation)) {
      return socket.give({ type: "error", code: "resume_refused", message: "no", fatal: false, seq: 1 });
    }
    socket.dictation = dictation;
    socket.give({
      type: "resumed",
      seq,
      next_audio_seq: dictation.frames + 1,
      stopping: dictation.isStopping,
    });
    dictation.events.slice(seq).forEach((event) => socket.give(event));
  }
}

/** The client's end of a connection. Everything happens a microtask later, as on a network. */
export class FakeSocket {
  readyState: number = WebSocket.CONNECTING;
  binaryType = "blob";
  bufferedAmount = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly received: Wire[] = [];
  dictation: FakeDictation | null = null;
  closedWith: number | null = null;
  /** Nothing arrives in either direction, and neither end is told. */
  isDead = false;
  /** Events of the server are lost on this socket. */
  isMute = false;

  constructor(private readonly server: FakeSpeechServer) {
    queueMicrotask(() => {
      if (server.isDown) return this.drop(1006);
      this.readyState = WebSocket.OPEN;
      this.onopen?.();
    });
  }

  send(data: string | ArrayBuffer): void {
    if (this.isDead) return;
    if (typeof data === "string") {
      const message = JSON.parse(data) as Wire;
      this.received.push(message);
      return queueMicrotask(() => this.server.handle(this, message));
    }
    if (this.dictation === null) return;
    this.dictation.frames += 1;
    this.dictation.received.push(...new Uint8Array(data));
  }

  give(event: Wire): void {
    if (!this.isDead) queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(event) }));
  }

  close(code: number): void {
    this.closedWith ??= code;
    this.readyState = WebSocket.CLOSED;
    this.dictation = null;
  }

  /** The connection ends, as seen by the client. */
  drop(code: number, reason = ""): void {
    this.readyState = WebSocket.CLOSED;
    this.dictation = null;
    this.onclose?.({ code, reason });
  }

  /** A fault of the server ends the connection. */
  breakDown(): void {
    this.give({ type: "error", code: "internal_error", message: "a fault", fatal: true, seq: 99 });
    queueMicrotask(() => this.drop(1011, "internal_error"));
  }
}
