/** One dictation over as many sockets as it takes: audio goes out while texts come in, each once. */

import type { ServerEvent } from "@/shared/api/types";

import { type Ended, failureOf, failureOfEnd, wayOn } from "./failure";
import { Flushes } from "./flushes";
import { Link } from "./link";
import type { Engine, Saying, SessionEvent, SessionState, StartConfig } from "./messages";
import { Outgoing, SAMPLE_RATE_HZ } from "./outgoing";
import { Retry } from "./retry";
import { textEventOf, WANTED_EVENTS } from "./texts";
import { type Credentials, TokenKeeper } from "./token-keeper";

const CONGESTED_PAUSE_MS = 50;

export interface SessionOptions {
  connect: () => WebSocket;
  credentials: Credentials;
  /** The client's label; unique on this page, for the keys of utterances begin with it. */
  id: string;
  config: StartConfig;
  onEvent: (event: SessionEvent) => void;
}

export class DictationSession {
  readonly #options: SessionOptions;
  readonly #audio = new Outgoing();
  readonly #flushes = new Flushes();
  readonly #retry = new Retry(() => void this.#open());
  readonly #tokens: TokenKeeper;
  #link: Link | null = null;
  /** Whether the link takes audio. */
  #isLive = false;
  #state: SessionState = { kind: "connecting" };
  #engine: Engine = { provider: "", model: null, lang: "", reason: null };
  #resumeToken = "";
  #lastSeq = 0;
  /** How often `start` was sent. */
  #begun = 0;
  #isStopping = false;
  #isStopSent = false;
  #drain: ReturnType<typeof setTimeout> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#tokens = new TokenKeeper(options.credentials, (token) => this.#link?.send({ type: "auth", token }));
    void this.#open();
  }

  /** PCM16 at 16 kHz, in any pieces; kept until no server can need it again. */
  audio(frame: ArrayBuffer): void {
    if (this.#isOver || this.#isStopping || frame.byteLength === 0) return;
    this.#audio.push(frame, performance.now());
    if (this.#audio.isFull) this.#fail({ code: 1013, reason: "", error: null });
    this.#pump();
  }

  /** Ask for the finals of all that was said so far; resolves when they were told, or none is to be expected. */
  flush(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    const flushed = this.#flushes.add(this.#audio.pushed);
    this.#pump();
    return flushed;
  }

  /** No more audio: the finals come, then the state is `ended`. */
  stop(): void {
    if (this.#isOver || this.#isStopping) return;
    this.#isStopping = true;
    if (!this.#retry.isLost) this.#move({ kind: "finishing" });
    this.#pump();
  }

  /** End at once; no final follows. */
  cancel(): void {
    if (!this.#isOver) this.#finish({ kind: "ended" });
  }

  get #isOver(): boolean {
    return this.#state.kind === "ended" || this.#state.kind === "failed";
  }

  // -- one socket after another

  async #open(): Promise<void> {
    const token = await this.#tokens.first();
    if (this.#isOver || this.#link !== null) return;
    const auth: Saying[] = token === null ? [] : [{ type: "auth", token }];
    this.#link = new Link({
      socket: this.#options.connect(),
      hello: [...auth, this.#resumeToken === "" ? this.#start() : this.#resume()],
      onEvent: (event) => this.#handle(event),
      onEnd: (ended) => void this.#lost(ended),
    });
  }

  #start(): Saying {
    if (this.#begun > 0) this.#options.onEvent({ type: "restarted" });
    this.#begun += 1;
    this.#lastSeq = 0;
    this.#isStopSent = false;
    this.#audio.restart();
    this.#flushes.ask();
    const config = { ...this.#options.config, sample_rate: SAMPLE_RATE_HZ, events: [...WANTED_EVENTS] };
    return { type: "start", session_id: this.#options.id, config };
  }

  #resume(): Saying {
    const [resume_token, last_event_seq] = [this.#resumeToken, this.#lastSeq];
    return { type: "resume", session_id: this.#options.id, resume_token, last_event_seq };
  }

  async #lost(ended: Ended): Promise<void> {
    this.#isLive = false;
    clearTimeout(this.#drain);
    // What never was ready has nothing to resume, and loses nothing by beginning anew.
    const way = wayOn(ended, this.#resumeToken !== "" || !this.#retry.wasFound);
    if (ended.error?.code === "unauthorized") {
      if (!(await this.#tokens.another())) return this.#fail(ended);
    } else if (way === "fail" && !this.#retry.isLost) return this.#fail(ended);
    this.#link = null;
    if (this.#isOver) return;
    if (way === "restart") this.#resumeToken = "";
    if (!this.#retry.later()) return this.#fail(ended);
    this.#move({ kind: "reconnecting" });
  }

  // -- what comes in

  #handle(event: ServerEvent): void {
    this.#lastSeq = event.seq;
    switch (event.type) {
      case "ready":
        this.#resumeToken = event.resume_token;
        this.#engine = {
          provider: event.provider,
          model: event.model,
          lang: event.lang,
          reason: event.reason,
        };
        return this.#goOn();
      case "resumed":
        this.#audio.resume(event.next_audio_seq);
        this.#isStopSent = event.stopping;
        this.#flushes.ask();
        return this.#goOn();
      case "ack":
        return this.#audio.arrived(event.audio_seq);
      case "flushed":
        return this.#flushes.answered(event.id);
      case "stopped":
        return this.#stopped();
      case "error":
        return this.#refused(event.code, event.message);
    }
    const prefix = `${this.#options.id}.${this.#begun}`;
    const told = textEventOf(event, prefix, (ms) => performance.now() - this.#audio.spokenAtMs(ms));
    if (event.type === "final" || event.type === "utterance_discarded") this.#audio.settled(event.end_ms);
    if (told !== null) this.#options.onEvent(told);
  }

  #goOn(): void {
    this.#isLive = true;
    this.#tokens.accepted();
    this.#retry.found();
    this.#move(this.#isStopping ? { kind: "finishing" } : { kind: "ready", engine: this.#engine });
    this.#pump();
  }

  /** A `stop` of the server's own: how it closes says why, and whether another dictation may follow. */
  #stopped(): void {
    if (this.#isStopSent) return this.#finish({ kind: "ended" });
    this.#isLive = false;
    this.#resumeToken = "";
  }

  #refused(code: string, message: string): void {
    if (this.#isLive) return; // one message of many; the dictation goes on
    if (code !== "resume_refused") return this.#finish({ kind: "failed", failure: failureOf(code, message) });
    this.#resumeToken = "";
    this.#link?.send(this.#start());
  }

  // -- what goes out

  #pump(): void {
    const link = this.#link;
    if (link === null || !this.#isLive) return;
    for (;;) {
      const id = this.#flushes.due(this.#audio.sent);
      if (id !== null) {
        link.send({ type: "flush", id });
        continue;
      }
      clearTimeout(this.#drain);
      if (link.isCongested) {
        this.#drain = setTimeout(() => this.#pump(), CONGESTED_PAUSE_MS);
        return;
      }
      const frame = this.#audio.next();
      if (frame === undefined) break;
      link.sendAudio(frame);
    }
    if (this.#isStopping && !this.#isStopSent) {
      this.#isStopSent = true;
      link.send({ type: "stop" });
    }
  }

  // -- the end

  #fail(ended: Ended): void {
    if (!this.#isOver) this.#finish({ kind: "failed", failure: failureOfEnd(ended) });
  }

  #finish(state: SessionState): void {
    this.#tokens.dispose();
    this.#retry.dispose();
    clearTimeout(this.#drain);
    this.#link?.close();
    this.#link = null;
    this.#isLive = false;
    this.#move(state);
    this.#flushes.giveUp();
  }

  #move(state: SessionState): void {
    this.#state = state;
    this.#options.onEvent({ type: "state", state });
  }
}
