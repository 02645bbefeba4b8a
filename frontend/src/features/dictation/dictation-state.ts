/** The state of dictation as one value, and how each event changes it. Pure. */

import type { Sound } from "./audio/sound-watch";
import type { Failure } from "./client/failure";
import type { ActiveEngine, SessionEvent, SessionState } from "./client/messages";

export type DictationState =
  | { kind: "idle" }
  /**
   * The browser opens the microphone, which may be a question to its user, and the server loads its engine,
   * which is null until then. Speech is recorded from the first sound on.
   */
  | { kind: "opening"; isMuted: boolean; sound: HeardSound; engine: ActiveEngine | null }
  | {
      kind: "listening";
      engine: ActiveEngine;
      sound: HeardSound;
      isSpeaking: boolean;
      isMuted: boolean;
      /** The server is so busy that partials are late or missing. */
      isDegraded: boolean;
    }
  /** There is no connection, or none yet where there is no engine; the microphone stays on. */
  | { kind: "reconnecting"; isMuted: boolean; sound: HeardSound; engine: ActiveEngine | null }
  /**
   * The microphone is off, and the last finals are expected. `isLost`: the connection is lost at the moment.
   */
  | { kind: "finishing"; isLost: boolean }
  | { kind: "failed"; failure: Failure };

/** `recovered`: sound comes in again, and nothing has been heard since. */
export type HeardSound = Sound | "recovered";

export type DictationEvent =
  | { type: "opened" }
  | { type: "sound"; sound: Sound }
  | { type: "muted"; isMuted: boolean }
  | { type: "stopped" }
  | { type: "failed"; failure: Failure }
  | SessionEvent;

export const IDLE: DictationState = { kind: "idle" };

export function isRecording({ kind }: DictationState): boolean {
  return kind === "opening" || kind === "listening" || kind === "reconnecting";
}

/** Whether what is said now reaches the server. */
export function isHeard(state: DictationState): boolean {
  if (state.kind !== "listening" || state.isMuted) return false;
  return state.sound === "live" || state.sound === "recovered";
}

/** Whether there is a dictation to cancel. */
export function isBusy(state: DictationState): boolean {
  return isRecording(state) || state.kind === "finishing";
}

export function dictationReducer(state: DictationState, event: DictationEvent): DictationState {
  switch (event.type) {
    case "opened":
      return { kind: "opening", isMuted: false, sound: "opening", engine: null };
    case "sound":
      return "sound" in state ? applySound(state, event.sound) : state;
    case "muted":
      return "isMuted" in state ? { ...state, isMuted: event.isMuted } : state;
    case "stopped":
      return isRecording(state) ? { kind: "finishing", isLost: state.kind === "reconnecting" } : state;
    case "failed":
      return { kind: "failed", failure: event.failure };
    case "state":
      // The microphone failed first, and its session ends for that reason.
      if (state.kind === "failed") return state;
      return applySessionState(state, event.state);
    case "speech":
      return state.kind === "listening" ? applySpeech(state, event.isSpeaking) : state;
    case "load":
      return state.kind === "listening" ? { ...state, isDegraded: event.partials !== "on" } : state;
    default:
      return state;
  }
}

type Recording = Extract<DictationState, { sound: HeardSound }>;
/** While these last, nothing of what is said is recorded. */
const DEAF: ReadonlySet<HeardSound> = new Set(["muted", "suspended", "stalled"]);

function applySound(state: Recording, sound: Sound): DictationState {
  const isRecovered = sound === "live" && DEAF.has(state.sound);
  return startListening({ ...state, sound: isRecovered ? "recovered" : sound });
}

/** It listens only once both ends are ready: the engine, and a microphone that gives sound. */
function startListening(state: Recording): DictationState {
  const { engine, isMuted, sound } = state;
  if (state.kind !== "opening" || engine === null || (sound !== "live" && sound !== "recovered"))
    return state;
  return { kind: "listening", engine, sound, isSpeaking: false, isMuted, isDegraded: false };
}

function applySpeech(state: Recording & { kind: "listening" }, isSpeaking: boolean): DictationState {
  const isHeard = isSpeaking && state.sound === "recovered";
  return { ...state, isSpeaking, sound: isHeard ? "live" : state.sound };
}

function applySessionState(state: DictationState, session: SessionState): DictationState {
  const isMuted = "isMuted" in state && state.isMuted;
  switch (session.kind) {
    case "connecting":
      return state;
    case "ready":
      if (!("sound" in state)) return state;
      return startListening({ kind: "opening", isMuted, sound: state.sound, engine: session.engine });
    case "reconnecting":
      if ("sound" in state)
        return { kind: "reconnecting", isMuted, sound: state.sound, engine: state.engine };
      return state.kind === "finishing" ? { ...state, isLost: true } : state;
    case "finishing":
      return { kind: "finishing", isLost: false };
    case "ended":
      return IDLE;
    case "failed":
      return { kind: "failed", failure: session.failure };
  }
}
