/** Microphone, socket and composed text as one thing that can be switched on and off. Without React. */

import { Microphone } from "./audio/microphone";
import type { Receipt, SessionEvent } from "./client/messages";
import type { SessionOptions } from "./client/session";
import type { ComposerStore } from "./composer/composer-store";
import {
  type DictationEvent,
  dictationReducer,
  type DictationState,
  IDLE,
  isRecording,
} from "./dictation-state";
import { isEnd, type OpenMicrophone, Run, type Wishes } from "./run";

/** How long Send waits for the last final. */
export const SETTLE_MS = 2000;

export interface DictationParts extends Pick<SessionOptions, "connect" | "credentials"> {
  composer: ComposerStore;
  /** Read anew at each start. */
  wishes: () => Wishes;
  openMicrophone?: OpenMicrophone;
}

/** What a page shows of it. */
export interface DictationView {
  state: DictationState;
  /** The last final that has text; another object for each. */
  heard: { text: string; receipt: Receipt } | null;
  /** Nothing at all comes from the microphone. */
  isSilent: boolean;
}

export class Dictation {
  readonly composer: ComposerStore;
  readonly #parts: DictationParts;
  #view: DictationView = { state: IDLE, heard: null, isSilent: false };
  #level = 0;
  #run: Run | null = null;
  /** Those of which a final may come: the last, and one before it that is not done yet. */
  readonly #unfinished = new Set<Run>();
  #count = 0;
  readonly #listeners = new Set<() => void>();
  readonly #levelListeners = new Set<() => void>();

  constructor(parts: DictationParts) {
    this.#parts = parts;
    this.composer = parts.composer;
  }

  readonly get = (): DictationView => this.#view;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Loudness of the last 100 ms, 0 to 1. */
  readonly level = (): number => this.#level;

  readonly subscribeLevel = (listener: () => void): (() => void) => {
    this.#levelListeners.add(listener);
    return () => this.#levelListeners.delete(listener);
  };

  /** Switch the microphone on. A dictation that still finishes goes on doing so, and what is said here is kept. */
  readonly start = (): void => {
    if (isRecording(this.#view.state)) return;
    const { connect, credentials, wishes, openMicrophone } = this.#parts;
    this.#count += 1;
    const id = `d${this.#count}`;
    const isCurrent = (): boolean => id === `d${this.#count}`;
    this.#silent(false);
    this.#move({ type: "opened" });
    const run = new Run({
      id,
      connect,
      credentials,
      wishes: wishes(),
      openMicrophone: openMicrophone ?? ((...args) => Microphone.open(...args)),
      onEvent: (event) => this.#told(id, event, isCurrent()),
      onLevel: (level) => isCurrent() && this.#setLevel(level),
      onSilent: (isSilent) => isCurrent() && this.#silent(isSilent),
      onMicrophoneFailed: (failure) => isCurrent() && this.#move({ type: "failed", failure }),
    });
    this.#run = run;
    this.#unfinished.add(run);
    void run.ended.then(() => this.#unfinished.delete(run));
  };

  /** Switch it off: the last words become final. Resolves when they have, or never will. */
  readonly stop = async (): Promise<void> => {
    this.#move({ type: "stopped" });
    await this.#run?.stop();
  };

  readonly toggle = (): void => {
    if (isRecording(this.#view.state)) void this.stop();
    else this.start();
  };

  /** Switch it off and take back what is not final yet. */
  readonly cancel = (): void => {
    if (this.#run === null) return;
    this.composer.dispatch({ type: "cancelled", dictation: this.#run.id });
    this.#run.cancel();
  };

  /** Wait for the finals of all that was said, then (unless hands-free) be off; false after two seconds without. */
  readonly settle = async (): Promise<boolean> => {
    const goesOn = this.#run?.isHandsFree === true && isRecording(this.#view.state);
    if (!goesOn) this.#move({ type: "stopped" });
    const runs = [...this.#unfinished].map((run) => (goesOn && run === this.#run ? run.flush() : run.stop()));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), SETTLE_MS)));
    const all = Promise.all(runs).then((each) => each.every(Boolean));
    const isWhole = await Promise.race([all, late]);
    clearTimeout(timer);
    return isWhole;
  };

  /** Muted, it stays on and hears silence. */
  readonly mute = (isMuted: boolean): void => {
    this.#run?.mute(isMuted);
    this.#move({ type: "muted", isMuted });
  };

  /** A failure was read. */
  readonly dismiss = (): void => {
    if (this.#view.state.kind === "failed") this.#show({ ...this.#view, state: IDLE });
  };

  #told(id: string, event: SessionEvent, isCurrent: boolean): void {
    if (event.type === "partial") this.composer.dispatch(event);
    if (event.type === "restarted") this.composer.dispatch({ ...event, dictation: id });
    if (event.type === "final") {
      const { key, text, receipt } = event;
      this.composer.dispatch({ type: "final", key, text });
      if (receipt !== null && text !== "") this.#show({ ...this.#view, heard: { text, receipt } });
    }
    if (isEnd(event)) this.composer.dispatch({ type: "ended", dictation: id });
    if (isCurrent) this.#move(event);
  }

  #move(event: DictationEvent): void {
    const state = dictationReducer(this.#view.state, event);
    if (state !== this.#view.state) this.#show({ ...this.#view, state });
  }

  #silent(isSilent: boolean): void {
    if (isSilent !== this.#view.isSilent) this.#show({ ...this.#view, isSilent });
  }

  #show(view: DictationView): void {
    this.#view = view;
    this.#listeners.forEach((listener) => listener());
  }

  #setLevel(level: number): void {
    this.#level = level;
    this.#levelListeners.forEach((listener) => listener());
  }
}
