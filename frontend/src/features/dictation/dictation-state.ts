/** The state of dictation as one value, and how each event changes it. Pure. */

import type { Failure } from "./client/failure";
import type { ActiveEngine, SessionEvent, SessionState } from "./client/messages";

export type DictationState =
  | { kind: "idle" }
  /** The browser asks for the microphone and the server loads its engine. Speech is recorded already. */
  | { kind: "opening"; isMuted: boolean }
  | {
      kind: "listening";
      engine: ActiveEngine;
      isSpeaking: boolean;
      isMuted: boolean;
      /** The server is so busy that partials are late or missing. */
      isDegraded: boolean;
    }
  /** The connection is lost; the microphone stays on, and its audio is kept. */
  | { kind: "reconnecting"; isMuted: boolean }
  /**
   * The microphone is off, and the last finals are expected. `isLost`: the connection is lost at the moment.
   */
  | { kind: "finishing"; isLost: boolean }
  | { kind: "failed"; failure: Failure };

export type DictationEvent =
  | { type: "opened" }
  | { type: "muted"; isMuted: boolean }
  | { type: "stopped" }
  | { type: "failed"; failure: Failure }
  | SessionEvent;

export const IDLE: DictationState = { kind: "idle" };

export function isRecording({ kind }: DictationState): boolean {
  return kind === "opening" || kind === "listening" || kind === "reconnecting";
}

/** Whether there is a dictation to cancel. */
export function isBusy(state: DictationState): boolean {
  return isRecording(state) || state.kind === "finishing";
}

export function dictationReducer(state: DictationState, event: DictationEvent): DictationState {
  switch (event.type) {
    case "opened":
      return { kind: "opening", isMuted: false };
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
      return state.kind === "listening" ? { ...state, isSpeaking: event.isSpeaking } : state;
    case "load":
      return state.kind === "listening" ? { ...state, isDegraded: event.partials !== "on" } : state;
    default:
      return state;
  }
}

function applySessionState(state: DictationState, session: SessionState): DictationState {
  const isMuted = "isMuted" in state && state.isMuted;
  switch (session.kind) {
    case "connecting":
      return state;
    case "ready":
      if (!isRecording(state)) return state;
      return { kind: "listening", engine: session.engine, isSpeaking: false, isMuted, isDegraded: false };
    case "reconnecting":
      if (isRecording(state)) return { kind: "reconnecting", isMuted };
      return state.kind === "finishing" ? { ...state, isLost: true } : state;
    case "finishing":
      return { kind: "finishing", isLost: false };
    case "ended":
      return IDLE;
    case "failed":
      return { kind: "failed", failure: session.failure };
  }
}
