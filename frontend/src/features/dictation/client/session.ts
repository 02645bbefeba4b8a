/**
 * One dictation over as many sockets as needed, and as many pages: every chunk of audio and every text goes
 * over once.
 */

import type { ServerEvent } from "@/shared/api/types";

import type { SpeechKeeper } from "../unsent/speech-keeper";
import type { LeftSpeech } from "../unsent/unsent-speech";
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
/** The server stops reading at 120 s that wait for its engine: so much is not asked of it. */
const MAX_BACKLOG_MS = 60_000;
/** An utterance is told about 100 ms after it began, and reaches back by half a second. */
const UNTOLD_MS = 2000;
/** What is cancelled while the server is away is kept, where it is longer: nobody has seen its text. */
const MAX_CANCELLED_MS = 5000;
export interface SessionOptions {
  connect: () => WebSocket;
  credentials: Credentials;
  /** A label that is unique on this page: the keys of utterances start with it. */
  id: string;
  config: StartConfig;
  onEvent: (event: SessionEvent) => void;
  /** Keeps the audio beyond the page; null where it is to leave no trace there, or cannot. */
  keeper?: SpeechKeeper | null;
  /** What a page that is gone left behind: it is sent first. */
  left?: LeftSpeech;
}

export class DictationSession {
  readonly #options: SessionOptions;
  readonly #audio: AudioQueue;
  readonly #keeper: SpeechKeeper | null;
  readonly #flushes = new PendingFlushes();
  readonly #retry = new ReconnectTimer(() => void this.#connect());
  readonly #tokens: TokenRefresher;
  #socket: SpeechSocket | null = null;
  /** Whether the socket accepts audio. */
  #isLive = false;
  #state: SessionState = { kind: "connecting" };
  #engine: ActiveEngine = { provider: "", model: null, lang: "", reason: null };
  #resumeToken = "";
  /** Whether another server goes on with the dictation where one stops. */
  #survives = false;
  /** Null where nothing is stored. */
  #dictationId: string | null = null;
  #lastSeq = 0;
  /** Where the last utterance ends that has its last event, in the times of the session. */
  #toldMs = 0;
  /** How often `start` was sent. */
  #startCount = 0;
  #isStopping = false;
  #isStopSent = false;
  /** Whether a fault of the server was resumed and no utterance has ended since. */
  #isAfterFault = false;
  #congestionTimer: ReturnType<typeof setTimeout> | undefined;
  /** The utterances that have begun and have no last event. */
  readonly #open = new Set<number>();
  #backlogMs = 0;
  #heardSample = 0;
  /** What was said before this sample was recorded while the server was away; null where nothing was. */
  #awayUntilSample: number | null = null;
  #toldSeconds = -1;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#keeper = options.left?.keeper ?? options.keeper ?? null;
    this.#audio = options.left === undefined ? new AudioQueue() : this.#restore(options.left);
    addEventListener("pagehide", this.#save);
    this.#tokens = new TokenRefresher(options.credentials, (token) =>
      this.#socket?.send({ type: "auth", token }),
    );
    void this.#connect();
  }

  /** Send PCM16 at 16 kHz, in chunks of any size. */
  sendAudio(frame: ArrayBuffer): void {
    if (this.#isOver || this.#isStopping || frame.byteLength === 0) return;
    this.#audio.push(frame, performance.now());
    this.#keeper?.add(frame, this.#audio);
    this.#tellWaiting();
    if (this.#audio.isFull) this.#options.onEvent({ type: "full" });
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

  /** End at once; no final follows. What was said while the server is away stays to be sent. */
  cancel(): void {
    if (this.#isOver) return;
    if (this.#retry.isLost && this.#audio.waitingMs > MAX_CANCELLED_MS) this.#leave();
    this.#finish({ kind: "ended" });
  }

  get #isOver(): boolean {
    return this.#state.kind === "ended" || this.#state.kind === "failed";
  }

  // -- what is kept

  #restore({ record, frames, forgotten }: LeftSpeech): AudioQueue {
    const { dictationId, marks, heardSample } = record;
    this.#dictationId = dictationId;
    this.#heardSample = heardSample;
    return AudioQueue.restore(frames, forgotten, marks, performance.now());
  }

  readonly #save = (): void => {
    const [dictationId, heardSample] = [this.#dictationId, this.#heardSample];
    this.#keeper?.save(this.#audio, { dictationId, heardSample, isAway: this.#retry.isLost });
  };

  /** Others may send it: this session does not. */
  #leave(): void {
    this.#save();
    void this.#keeper?.leave(this.#audio);
  }

  #tellWaiting(): void {
    const seconds = Math.floor(this.#audio.waitingMs / 1000);
    if (!this.#retry.isLost || seconds === this.#toldSeconds) return;
    this.#toldSeconds = seconds;
    const isPrivate = this.#options.config.store === false;
    const keeping = isPrivate ? "private" : (this.#keeper?.keeping ?? "page");
    const isEngineKnown = this.#retry.wasConnected;
    this.#options.onEvent({ type: "waiting", seconds, keeping, isEngineKnown });
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
    this.#open.clear();
    this.#backlogMs = 0;
    this.#audio.restart();
    this.#flushes.resend();
    const config = {
      ...this.#options.config,
      sample_rate: SAMPLE_RATE_HZ,
      events: [...WANTED_EVENTS],
      ...(this.#dictationId === null
        ? {}
        : { continues_dictation: this.#dictationId, told_ms: this.#audio.toldMs }),
    };
    return { type: "start", session_id: this.#options.id, config };
  }

  #resumeMessage(): OutgoingMessage {
    const [resume_token, last_event_seq, told_ms] = [this.#resumeToken, this.#lastSeq, this.#toldMs];
    return { type: "resume", session_id: this.#options.id, resume_token, last_event_seq, told_ms };
  }

  async #handleEnd(end: SocketEnd): Promise<void> {
    this.#isLive = false;
    clearTimeout(this.#congestionTimer);
    // The audio itself may cause the fault: then it would come for ever.
    if (isFault(end) && this.#isAfterFault) return this.#fail(end);
    this.#isAfterFault ||= isFault(end);
    // A session that was never ready has nothing to resume: it starts again.
    const canResume = this.#resumeToken !== "" || !this.#retry.wasConnected;
    const recovery = chooseRecovery(end, canResume, this.#survives);
    if (end.error?.code === "unauthorized") {
      if (!(await this.#tokens.renewOnce())) return this.#fail(end);
    } else if (recovery === "fail" && (!this.#retry.isLost || explainEnd(end).kind === "not_allowed"))
      return this.#fail(end);
    this.#socket = null;
    if (this.#isOver) return;
    if (recovery === "restart") this.#resumeToken = "";
    this.#retry.schedule();
    this.#setState({ kind: "reconnecting" });
    this.#toldSeconds = -1;
    this.#tellWaiting();
    this.#save();
  }

  // -- incoming

  #handle(event: ServerEvent): void {
    this.#lastSeq = event.seq;
    switch (event.type) {
      case "ready":
        this.#resumeToken = event.resume_token;
        this.#toldMs = 0;
        this.#survives = event.survives;
        this.#dictationId = event.dictation_id;
        if (event.dictation_id) this.#options.onEvent({ type: "stored", dictationId: event.dictation_id });
        if (event.safe_ms == null) this.#audio.confirm();
        else this.#audio.goOn(event.base_ms, event.safe_ms - (event.from_ms ?? 0));
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
        return this.#handleAck(event);
      case "flushed":
        return this.#flushes.handleAnswer(event.id);
      case "stopped":
        return this.#handleStopped();
      case "error":
        return this.#handleError(event);
    }
    if ("start_ms" in event) this.#followUtterance(event);
    const transcriptEvent = toTranscriptEvent(
      event,
      this.#prefix,
      (ms) => performance.now() - this.#audio.spokenAtMs(ms),
    );
    if (event.type === "final" || event.type === "utterance_discarded") {
      this.#audio.settle(event.end_ms);
      this.#toldMs = event.end_ms;
      this.#isAfterFault = false;
      this.#save();
    }
    for (const told of [transcriptEvent, toSoundEvent(event), toAwaitedEvent(event), toLimitEvent(event)])
      if (told !== null) this.#options.onEvent(told);
  }

  /** The keys of utterances begin with it. */
  get #prefix(): string {
    return `${this.#options.id}.${this.#startCount}`;
  }

  #handleAck({ audio_seq, received_ms, backlog_ms }: Extract<ServerEvent, { type: "ack" }>): void {
    this.#audio.acknowledge(audio_seq);
    this.#backlogMs = backlog_ms;
    if (this.#open.size === 0) {
      // Nothing was said there: it need not be sent again.
      this.#audio.settle(received_ms - UNTOLD_MS);
      this.#heardSample = Math.max(this.#heardSample, this.#audio.sampleAt(received_ms));
    }
    this.#pump();
  }

  #followUtterance(event: ServerEvent & { utterance_id: number; start_ms: number }): void {
    const isOver = event.type === "final" || event.type === "utterance_discarded";
    if (isOver) this.#open.delete(event.utterance_id);
    else this.#open.add(event.utterance_id);
    const until = this.#awayUntilSample;
    if (until === null || this.#audio.sampleAt(event.start_ms) < until) return;
    this.#awayUntilSample = null;
    this.#options.onEvent({ type: "caught_up" });
  }

  #handleReady(): void {
    this.#isLive = true;
    if (this.#retry.isLost) this.#awayUntilSample = this.#audio.samples;
    this.#tokens.confirm();
    this.#retry.reset();
    this.#save();
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
      if (this.#audio.isAhead || this.#backlogMs > MAX_BACKLOG_MS) return; // until the next `ack`
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
    if (state.kind === "failed") this.#leave();
    else void this.#keeper?.remove();
    removeEventListener("pagehide", this.#save);
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
