/** Dictation: microphone, speech socket and composed text, switched on and off together. Without React. */

import { Microphone, type OpenMicrophone } from "./audio/microphone";
import { Capture, type DictationOptions, isFinished, type Recording, Resend } from "./capture";
import type { Failure } from "./client/failure";
import type { Awaited, Latency, NearLimit, ServerHint, SessionEvent } from "./client/messages";
import type { SessionOptions } from "./client/session";
import type { ComposerPage, ComposerStore } from "./composer/composer-store";
import {
  type DictationEvent,
  dictationReducer,
  type DictationState,
  IDLE,
  isRecording,
} from "./dictation-state";
import type { SpeechKeeper } from "./unsent/speech-keeper";
import type { LeftSpeech, UnsentSpeech } from "./unsent/unsent-speech";

/**
 * What came of all that was said: `cut` where the dictation failed before its finals were there, `cancelled`
 * where the user took back what was not final.
 */
export type Settled = "whole" | "cut" | "cancelled";

/** Zeros alone: this page knows better whether it is muted. */
const NO_SIGNAL = "no_signal";
/** How much of the text before the caret tells where that was. */
const PLACE_CHARS = 40;
/** How often one dictation says that it hears too little. */
const MAX_QUIET = 3;

export interface DictationSetup extends Pick<SessionOptions, "connect" | "credentials"> {
  composer: ComposerStore;
  /** Keeps speech beyond the page; without it speech lasts as long as the page. */
  unsent?: UnsentSpeech;
  /** The conversation whose text is shown. */
  readDraft?: () => string;
  /** Read at each start. */
  readOptions: (isHandsFree: boolean) => DictationOptions;
  openMicrophone?: OpenMicrophone;
}

export type Waiting = Omit<Extract<SessionEvent, { type: "waiting" }>, "type">;

/** Speech that an earlier page left behind, while it is sent. `null`: it is text now. */
export type Resent = Promise<Failure | null>;

/** What the page shows of a dictation. */
export interface DictationView {
  state: DictationState;
  /** The last final with text: a new object for each. */
  lastFinal: { text: string; latency: Latency } | null;
  /** What the server says is awaited. */
  awaited: Awaited | null;
  /** How much of what was said waits here for the server; null where nothing does, or none is away. */
  waiting: Waiting | null;
  /** What was said last was too quiet to be understood. */
  isTooQuiet: boolean;
  /** What the server said about the sound of this dictation, until the user has read it. */
  hint: ServerHint | null;
  /** The limit of the server that is near, until the user has read it. */
  limit: NearLimit | null;
  /** The last dictation that has ended, if the server stores all of it under one id. */
  ended: EndedDictation | null;
}

export interface EndedDictation {
  /** The keys of its utterances begin with this. */
  name: string;
  /** On the server. */
  id: string;
}

const EMPTY_VIEW: DictationView = {
  state: IDLE,
  lastFinal: null,
  awaited: null,
  waiting: null,
  isTooQuiet: false,
  hint: null,
  limit: null,
  ended: null,
};

export class Dictation {
  readonly composer: ComposerStore;
  /** Reads each final for the text that is shown before it is written, and returns the text to write. */
  reviewFinal: ((text: string) => string) | null = null;
  readonly #setup: DictationSetup;
  #view = EMPTY_VIEW;
  /** How often this dictation has said that it hears too little, and which hints it has shown. */
  #quietCount = 0;
  readonly #shownHints = new Set<string>();
  /** The limit that the server told last, also where the user has read it. */
  #limit: NearLimit | null = null;
  #level = 0;
  #isHandsFree = false;
  #capture: Capture | null = null;
  /** The capture that the user cancelled last. */
  #cancelled: Capture | null = null;
  /** What may still get a final: the current capture, those before it, and what earlier pages left. */
  readonly #unfinished = new Set<Recording>();
  #count = 0;
  #resent = 0;
  /** The server's id of the current dictation; "" where it has none, or several. */
  #storedId: string | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #levelListeners = new Set<() => void>();
  readonly #eventListeners = new Set<(event: SessionEvent) => void>();

  constructor(setup: DictationSetup) {
    this.#setup = setup;
    this.composer = setup.composer;
  }

  readonly get = (): DictationView => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /**
   * Get the events of the current dictation, and the finals that an earlier one gives to the text that is
   * shown, once they are written.
   */
  readonly subscribeEvents = (listener: (event: SessionEvent) => void): (() => void) => {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  };

  /** The text that this dictation writes; null without one that goes on. */
  get page(): ComposerPage | null {
    return this.composer.pageOf(`d${this.#count}`);
  }

  /** Whether a dictation goes on that writes to another text than the one that is shown. */
  readonly isElsewhere = (): boolean => this.page !== null && this.page !== this.composer.shown;

  /** The level of the last 100 ms, 0 to 1. */
  readonly level = (): number => this.#level;

  readonly subscribeLevel = (listener: () => void): (() => void) => {
    this.#levelListeners.add(listener);
    return () => this.#levelListeners.delete(listener);
  };

  /** Whether the microphone stays on while texts are sent, in this dictation or the one that ended last. */
  get isHandsFree(): boolean {
    return this.#isHandsFree;
  }

  /** Switch the microphone on. An earlier dictation that is still finishing goes on. */
  readonly start = (): void => this.#start(false);

  /**
   * The same for hands-free. A dictation that goes on becomes hands-free, if it writes to the text that is
   * shown and its utterances end at all.
   */
  readonly startHandsFree = (): void => {
    const staysAsItIs = this.isElsewhere() || this.#capture?.endsUtterances === false;
    if (isRecording(this.#view.state) && staysAsItIs) void this.stop();
    this.#start(true);
    this.#isHandsFree = true;
  };

  readonly #start = (isHandsFree: boolean): void => {
    if (isRecording(this.#view.state)) return;
    const { connect, credentials, readOptions, openMicrophone } = this.#setup;
    this.#count += 1;
    const id = `d${this.#count}`;
    const isCurrent = (): boolean => id === `d${this.#count}`;
    this.#isHandsFree = isHandsFree;
    this.#quietCount = 0;
    this.#shownHints.clear();
    this.#limit = null;
    this.composer.begin(id);
    this.#storedId = null;
    this.#update({ awaited: null, waiting: null, isTooQuiet: false, hint: null, limit: null, ended: null });
    this.#apply({ type: "opened" });
    const settings = readOptions(isHandsFree);
    const capture = new Capture({
      ...{ id, connect, credentials, settings },
      keeper: this.#keep(settings),
      openMicrophone: openMicrophone ?? ((...args) => Microphone.open(...args)),
      onEvent: (event) => this.#handleEvent(id, event, isCurrent()),
      onLevel: (level) => isCurrent() && this.#setLevel(level),
      onSound: (sound) => {
        if (sound === "live") this.#hurryOthers(capture);
        if (isCurrent()) this.#apply({ type: "sound", sound });
      },
      onMicrophoneFailed: (failure) => isCurrent() && this.#apply({ type: "failed", failure }),
    });
    this.#capture = capture;
    this.#unfinished.add(capture);
    void capture.ended.then(() => this.#unfinished.delete(capture));
  };

  /**
   * Switch the microphone off. Resolves when the last words are final, or never will be.
   *
   * @param isAtOnce not even the last moment is recorded
   */
  readonly stop = async (isAtOnce = false): Promise<void> => {
    this.#apply({ type: "stopped" });
    const ended = this.#capture?.stop();
    if (isAtOnce) this.#capture?.hurry();
    await ended;
  };

  readonly toggle = (): void => {
    if (isRecording(this.#view.state)) void this.stop();
    else this.start();
  };

  /** Switch the microphone off and take back what is not final; undo brings it back. */
  readonly cancel = (): void => {
    if (this.#capture === null) return;
    this.#cancelled = this.#capture;
    this.composer.dispatch({ type: "cancelled", dictation: this.#capture.id });
    this.#capture.cancel();
  };

  /**
   * Wait for the finals of all that was said. The microphone is switched off, unless hands-free. A slow
   * engine takes its time: the wait ends with the finals, or with a dictation that cannot go on.
   */
  readonly settle = async (): Promise<Settled> => {
    const staysOn = this.#isHandsFree && isRecording(this.#view.state);
    if (!staysOn) this.#apply({ type: "stopped" });
    const captures = [...this.#unfinished];
    const finals = captures.map((capture) =>
      staysOn && capture === this.#capture ? capture.flush() : capture.stop(),
    );
    const isWhole = (await Promise.all(finals)).every(Boolean);
    if (captures.some((capture) => capture === this.#cancelled)) return "cancelled";
    return isWhole ? "whole" : "cut";
  };

  /**
   * Send what an earlier page left behind. Its words come to where they were spoken, where that text stands
   * still, and to the caret otherwise. Resolves when they are there, or to why they cannot be.
   */
  async resend(left: LeftSpeech): Resent {
    const { connect, credentials } = this.#setup;
    this.#resent += 1;
    const id = `r${this.#resent}`;
    const { draft, at, before } = left.record.place;
    const isThere =
      draft === this.#setup.readDraft?.() && this.composer.get().text.slice(0, at).endsWith(before);
    this.composer.begin(id);
    this.composer.dispatch({ type: "held", dictation: id, ...(isThere ? { at } : {}) });
    let failure: Failure | null = null;
    const resend = new Resend({
      ...{ id, connect, credentials, left },
      onEvent: (event) => {
        if (event.type === "state" && event.state.kind === "failed") ({ failure } = event.state);
        this.#handleEvent(id, event, false);
      },
    });
    this.#unfinished.add(resend);
    await resend.ended;
    this.#unfinished.delete(resend);
    return failure;
  }

  #keep({ config }: DictationOptions): SpeechKeeper | null {
    if (config.store === false) return null;
    const { text, caret } = this.composer.get();
    const before = text.slice(Math.max(0, caret.end - PLACE_CHARS), caret.end);
    return (
      this.#setup.unsent?.keep(config, { draft: this.#setup.readDraft?.() ?? "", at: caret.end, before }) ??
      null
    );
  }

  /** A muted microphone stays on and gives silence. */
  readonly mute = (isMuted: boolean): void => {
    this.#capture?.mute(isMuted);
    this.#apply({ type: "muted", isMuted });
  };

  /** Forget a failure that the user has read. */
  readonly dismiss = (): void => {
    if (this.#view.state.kind === "failed") this.#update({ state: IDLE });
  };

  readonly dismissHint = (): void => this.#update({ hint: null });

  readonly dismissLimit = (): void => this.#update({ limit: null });

  /** The last moment of one dictation ends where the next one hears: nothing is heard twice. */
  #hurryOthers(capture: Capture): void {
    for (const other of this.#unfinished) if (other !== capture) other.hurry();
  }

  #handleEvent(id: string, event: SessionEvent, isCurrent: boolean): void {
    const isShown = (this.composer.pageOf(id) ?? this.composer.shown) === this.composer.shown;
    if (event.type === "partial") this.composer.dispatch(event);
    if (event.type === "restarted") this.composer.dispatch({ ...event, dictation: id });
    if (event.type === "state" && event.state.kind === "reconnecting")
      this.composer.dispatch({ type: "held", dictation: id });
    if (event.type === "caught_up") this.composer.dispatch({ type: "released", dictation: id });
    if (event.type === "final") {
      const text = isShown ? (this.reviewFinal?.(event.text) ?? event.text) : event.text;
      event = { ...event, text, marks: event.marks.filter(({ end }) => end <= text.length) };
      const { latency } = event;
      this.composer.dispatch(event);
      if (latency !== null && text !== "") this.#update({ lastFinal: { text, latency } });
    }
    if (isCurrent) this.#handleSound(event);
    if (isCurrent) this.#handleAwaited(event);
    if (isCurrent) this.#handleLimit(event);
    if (isCurrent) this.#handleWaiting(event);
    if (isCurrent) this.#handleStored(id, event);
    if (isFinished(event)) this.composer.dispatch({ type: "ended", dictation: id });
    if (isCurrent) this.#apply(event);
    if (isCurrent || (event.type === "final" && isShown)) this.#eventListeners.forEach((tell) => tell(event));
  }

  /** A dictation that had to start again without the first one is stored in two pieces. */
  #handleStored(name: string, event: SessionEvent): void {
    if (event.type === "stored") {
      const isFirst = this.#storedId === null || this.#storedId === event.dictationId;
      this.#storedId = isFirst ? event.dictationId : "";
    }
    if (isFinished(event) && this.#storedId) this.#update({ ended: { name, id: this.#storedId } });
  }

  /** The same is not said for ever: some microphones are as quiet as they can be. */
  #handleSound(event: SessionEvent): void {
    if (event.type === "too_quiet" && this.#quietCount < MAX_QUIET) {
      this.#quietCount += 1;
      this.#update({ isTooQuiet: true });
    }
    const isHeard =
      (event.type === "final" && event.text !== "") || (event.type === "speech" && event.isSpeaking);
    if (isHeard && this.#view.isTooQuiet) this.#update({ isTooQuiet: false });
    if (event.type === "hint" && !this.#shownHints.has(event.hint.code) && event.hint.code !== NO_SIGNAL) {
      this.#shownHints.add(event.hint.code);
      this.#update({ hint: event.hint });
    }
  }

  /** The server tells again what it waits for after each of its states but the last. */
  #handleAwaited(event: SessionEvent): void {
    if (event.type === "awaited") this.#update({ awaited: event.awaited });
    const isOver = event.type === "state" && event.state.kind !== "finishing";
    if (isOver && this.#view.awaited !== null) this.#update({ awaited: null });
  }

  /** Each limit is told once as near and once as reached, and no longer than it is so. */
  #handleLimit(event: SessionEvent): void {
    const isOver = isFinished(event) || event.type === "restarted";
    if (event.type !== "limit" && !isOver) return;
    const limit = event.type === "limit" ? event.limit : null;
    const before = this.#limit;
    if (limit?.name === before?.name && limit?.isReached === before?.isReached) return;
    this.#limit = limit;
    this.#update({ limit });
  }

  #handleWaiting(event: SessionEvent): void {
    if (event.type === "waiting") {
      if (this.#view.waiting === null) void askForStorage();
      const { seconds, keeping, isEngineKnown } = event;
      this.#update({ waiting: { seconds, keeping, isEngineKnown } });
    }
    const isOver = event.type === "state" && event.state.kind !== "reconnecting";
    if (isOver && this.#view.waiting !== null) this.#update({ waiting: null });
  }

  #apply(event: DictationEvent): void {
    const state = dictationReducer(this.#view.state, event);
    if (state !== this.#view.state) this.#update({ state });
  }

  #update(changes: Partial<DictationView>): void {
    this.#view = { ...this.#view, ...changes };
    this.#listeners.forEach((listener) => listener());
  }

  #setLevel(level: number): void {
    this.#level = level;
    this.#levelListeners.forEach((listener) => listener());
  }
}

/**
 * Ask the browser not to delete what is stored when the disk is full. Only now: some ask their users, whose
 * first question is for the microphone.
 */
async function askForStorage(): Promise<void> {
  const storage = navigator.storage as StorageManager | undefined;
  await storage?.persist?.().catch(() => false); // a browser that cannot say is told about in the texts
}
