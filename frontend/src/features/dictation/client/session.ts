/** One dictation over as many sockets as needed: every chunk of audio and every text goes over once. */

import type { ServerEvent } from "@/shared/api/types";

import { AudioQueue, SAMPLE_RATE_HZ } from "./audio-queue";
import { chooseRecovery, explainEnd, isFault, type SocketEnd, toFailure } from "./failure";
import type { ActiveEngine, OutgoingMessage, SessionEvent, SessionState, StartConfig } from "./messages";
import { PendingFlushes } from "./pending-flushes";
import { ReconnectTimer } from "./reconnect-timer";
import { SpeechSocket } from "./socket";
import { type Credentials, TokenRefresher } from "./token-refresher";
import {
  toAwaitedEvent,
  toLimitEvent,
  toSoundEvent,
  toTranscriptEvent,
  WANTED_EVENTS,
} from "./transcript-events";

const CONGESTED_PAUSE_MS = 50;

export interface SessionOptions {
  connect: () => WebSocket;
  credentials: Credentials;
  /** A label that is unique on this page: the keys of utterances start with it. */
  id: string;
  config: StartConfig;
  onEvent: (event: SessionEvent) => void;
}

export class DictationSession {
  readonly #options: SessionOptions;
  readonly #audio = new AudioQueue();
  readonly #flushes = new PendingFlushes();
  readonly #retry = new ReconnectTimer(() => void this.#connect());
  readonly #tokens: TokenRefresher;
  #socket: SpeechSocket | null = null;
  /** Whether the socket accepts audio. */
  #isLive = false;
  #state: SessionState = { kind: "connecting" };
  #engine: ActiveEngine = { provider: "", model: null, lang: "", reason: null };
  #resumeToken = "";
  /** Of a dictation whose audio a crash of the server does not lose. */
  #dictationId: string | null = null;
  #lastSeq = 0;
  /** How often `start` was sent. */
  #startCount = 0;
  #isStopping = false;
  #isStopSent = false;
  /** Whether a fault of the server was resumed and no utterance has ended since. */
  #isAfterFault = false;
  #congestionTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#tokens = new TokenRefresher(options.credentials, (token) =>
      this.#socket?.send({ type: "auth", token }),
    );
    void this.#connect();
  }

  /** Send PCM16 at 16 kHz, in chunks of any size. */
  sendAudio(frame: ArrayBuffer): void {
    if (this.#isOver || this.#isStopping || frame.byteLength === 0) return;
    this.#audio.push(frame, performance.now());
    if (this.#audio.isFull) this.#fail({ code: this.#retry.isLost ? 1006 : 1013, reason: "", error: null });
    this.#pump();
  }

  /** Ask for the finals of all that was said so far. Resolves when they have come, or none will. */
  flush(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    const flushed = this.#flushes.add(this.#audio.pushed);
    this.#pump();
    return flushed;
  }

  /** Send no more audio. The last finals come, then the state is `ended`. */
  stop(): void {
    if (this.#isOver || this.#isStopping) return;
    this.#isStopping = true;
    if (!this.#retry.isLost) this.#setState({ kind: "finishing" });
    this.#pump();
  }

  /** End at once; no final follows. */
  cancel(): void {
    if (!this.#isOver) this.#finish({ kind: "ended" });
  }

  get #isOver(): boolean {
    return this.#state.kind === "ended" || this.#state.kind === "failed";
  }

  // -- sockets

  async #connect(): Promise<void> {
    const token = await this.#tokens.first();
    if (this.#isOver || this.#socket !== null) return;
    const auth: OutgoingMessage[] = token === null ? [] : [{ type: "auth", token }];
    this.#socket = new SpeechSocket({
      socket: this.#options.connect(),
      firstMessages: [...auth, this.#resumeToken === "" ? this.#startMessage() : this.#resumeMessage()],
      onEvent: (event) => this.#handle(event),
      onEnd: (end) => void this.#handleEnd(end),
    });
  }

  #startMessage(): OutgoingMessage {
    if (this.#startCount > 0) this.#options.onEvent({ type: "restarted" });
    this.#startCount += 1;
    this.#lastSeq = 0;
    this.#isStopSent = false;
    this.#audio.restart();
    this.#flushes.resend();
    const config = {
      ...this.#options.config,
      sample_rate: SAMPLE_RATE_HZ,
      events: [...WANTED_EVENTS],
      ...(this.#dictationId === null ? {} : { continues_dictation: this.#dictationId }),
    };
    return { type: "start", session_id: this.#options.id, config };
  }

  #resumeMessage(): OutgoingMessage {
    const [resume_token, last_event_seq] = [this.#resumeToken, this.#lastSeq];
    return { type: "resume", session_id: this.#options.id, resume_token, last_event_seq };
  }

  async #handleEnd(end: SocketEnd): Promise<void> {
    this.#isLive = false;
    clearTimeout(this.#congestionTimer);
    // The audio itself may cause the fault: then it would come for ever.
    if (isFault(end) && this.#isAfterFault) return this.#fail(end);
    this.#isAfterFault ||= isFault(end);
    // A session that was never ready has nothing to resume: it starts again.
    const recovery = chooseRecovery(end, this.#resumeToken !== "" || !this.#retry.wasConnected);
    if (end.error?.code === "unauthorized") {
      if (!(await this.#tokens.renewOnce())) return this.#fail(end);
    } else if (recovery === "fail" && !this.#retry.isLost) return this.#fail(end);
    this.#socket = null;
    if (this.#isOver) return;
    if (recovery === "restart") this.#resumeToken = "";
    if (!this.#retry.schedule()) return this.#fail(end);
    this.#setState({ kind: "reconnecting" });
  }

  // -- incoming

  #handle(event: ServerEvent): void {
    this.#lastSeq = event.seq;
    switch (event.type) {
      case "ready":
        this.#resumeToken = event.resume_token;
        this.#dictationId = event.spooled ? event.dictation_id : null;
        if (event.safe_ms == null) this.#audio.confirm();
        else this.#audio.goOn(event.safe_ms, event.from_ms ?? 0);
        this.#engine = {
          provider: event.provider,
          model: event.model,
          lang: event.lang,
          reason: event.reason,
        };
        return this.#handleReady();
      case "resumed":
        this.#audio.resume(event.next_audio_seq);
        this.#isStopSent = event.stopping;
        this.#flushes.resend();
        return this.#handleReady();
      case "ack":
        return this.#audio.acknowledge(event.audio_seq);
      case "flushed":
        return this.#flushes.handleAnswer(event.id);
      case "stopped":
        return this.#handleStopped();
      case "error":
        return this.#handleError(event);
    }
    const prefix = `${this.#options.id}.${this.#startCount}`;
    const transcriptEvent = toTranscriptEvent(
      event,
      prefix,
      (ms) => performance.now() - this.#audio.spokenAtMs(ms),
    );
    if (event.type === "final" || event.type === "utterance_discarded") {
      this.#audio.settle(event.end_ms);
      this.#isAfterFault = false;
    }
    for (const told of [transcriptEvent, toSoundEvent(event), toAwaitedEvent(event), toLimitEvent(event)])
      if (told !== null) this.#options.onEvent(told);
  }

  #handleReady(): void {
    this.#isLive = true;
    this.#tokens.confirm();
    this.#retry.reset();
    this.#setState(this.#isStopping ? { kind: "finishing" } : { kind: "ready", engine: this.#engine });
    this.#pump();
  }

  /**
   * The server may stop by itself: the close that follows says why, and whether another dictation may start.
   */
  #handleStopped(): void {
    if (this.#isStopSent) return this.#finish({ kind: "ended" });
    this.#isLive = false;
    this.#resumeToken = "";
  }

  #handleError({ code, message, note }: Extract<ServerEvent, { type: "error" }>): void {
    if (this.#isLive) return; // one message was refused; the dictation goes on
    if (code !== "resume_refused")
      return this.#finish({ kind: "failed", failure: toFailure(code, message, note) });
    this.#resumeToken = "";
    this.#socket?.send(this.#startMessage());
  }

  // -- outgoing

  #pump(): void {
    const socket = this.#socket;
    if (socket === null || !this.#isLive) return;
    for (;;) {
      const id = this.#flushes.takeNext(this.#audio.sent);
      if (id !== null) {
        socket.send({ type: "flush", id });
        continue;
      }
      clearTimeout(this.#congestionTimer);
      if (socket.isCongested) {
        this.#congestionTimer = setTimeout(() => this.#pump(), CONGESTED_PAUSE_MS);
        return;
      }
      const frame = this.#audio.takeNext();
      if (frame === undefined) break;
      socket.sendAudio(frame);
    }
    if (this.#isStopping && !this.#isStopSent) {
      this.#isStopSent = true;
      socket.send({ type: "stop" });
    }
  }

  // -- the end

  #fail(end: SocketEnd): void {
    if (!this.#isOver) this.#finish({ kind: "failed", failure: explainEnd(end) });
  }

  #finish(state: SessionState): void {
    this.#tokens.dispose();
    this.#retry.dispose();
    clearTimeout(this.#congestionTimer);
    this.#socket?.close();
    this.#socket = null;
    this.#isLive = false;
    this.#setState(state);
    this.#flushes.resolveAll();
  }

  #setState(state: SessionState): void {
    this.#state = state;
    this.#options.onEvent({ type: "state", state });
  }
}
