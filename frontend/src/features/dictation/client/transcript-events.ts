/** Translates the server's events about speech into events of a session. Pure. */
import type { ServerEvent } from "@/shared/api/types";

import { findMarks } from "../composer/marks";
import type { Awaited, NearLimit, SessionEvent } from "./messages";

type Final = Extract<ServerEvent, { type: "final" }>;
type Status = Extract<ServerEvent, { type: "status" }>;

/** The additional events that `start` asks for. */
export const WANTED_EVENTS = [
  "ack",
  "speech_started",
  "speech_stopped",
  "utterance_discarded",
  "eager_final",
  "turn_resumed",
  "status",
] as const;

/**
 * Null for an event that is not about speech.
 *
 * @param dictation the prefix of keys: unique even where a session starts a second dictation
 * @param sinceMs how long ago a moment of the dictation was spoken
 */
export function toTranscriptEvent(
  event: ServerEvent,
  dictation: string,
  sinceMs: (ms: number) => number,
): SessionEvent | null {
  switch (event.type) {
    case "partial":
      return {
        type: "partial",
        key: `${dictation}:${event.utterance_id}`,
        text: event.text,
        stable: event.stable,
      };
    case "final": {
      const { text } = event;
      const isJoined = Boolean(event.joined); // absent where it is false
      const { endpoint_ms, queue_ms, decode_ms, speech_end_ms } = event.timing;
      const latency = {
        totalMs: Math.max(0, Math.round(sinceMs(speech_end_ms))),
        endpointMs: endpoint_ms,
        queueMs: queue_ms,
        decodeMs: decode_ms,
        model: event.model ?? event.provider,
      };
      const key = `${dictation}:${event.utterance_id}`;
      return { type: "final", key, text, latency, marks: readMarks(event), isJoined };
    }
    case "utterance_discarded":
      return {
        type: "final",
        key: `${dictation}:${event.utterance_id}`,
        text: "",
        latency: null,
        marks: [],
        isJoined: false,
      };
    case "speech_started":
      return { type: "speech", isSpeaking: true };
    case "speech_stopped":
      return { type: "speech", isSpeaking: false };
    case "eager_final":
      return { type: "pause", text: event.text, elapsedMs: Math.max(0, sinceMs(event.timing.speech_end_ms)) };
    case "turn_resumed":
      return { type: "pause_over" };
    case "status":
      return { type: "load", partials: event.partials };
    default:
      return null;
  }
}

function readMarks(event: Final) {
  const { text, start_ms: startMs, end_ms: endMs, words, uncovered } = event;
  return findMarks(text, { startMs, endMs, words: words ?? [], uncovered: uncovered ?? [] });
}

/** What is awaited, where an event tells it. */
export function toAwaitedEvent(event: ServerEvent): SessionEvent | null {
  return event.type === "status" ? { type: "awaited", awaited: readAwaited(event) } : null;
}

function readAwaited({ state, place, backlog_ms: backlogMs }: Status): Awaited | null {
  switch (state) {
    case "loading":
      return { kind: "loading" };
    case "decoding":
      return { kind: "writing" };
    case "queued":
      return { kind: "queued", place: place ?? 1 };
    case "catching_up":
      return { kind: "catchingUp", seconds: Math.round(backlogMs / 1000) };
    default:
      return null; // also of a server that knows more states, or none
  }
}

/** Which limit is near, where an event tells it. The page renews its log-in by itself: that one is none. */
export function toLimitEvent(event: ServerEvent): SessionEvent | null {
  return event.type === "status" ? { type: "limit", limit: readLimit(event) } : null;
}

function readLimit({ limit }: Status): NearLimit | null {
  if (!limit) return null;
  switch (limit.name) {
    case "session":
    case "backlog":
    case "spool":
    case "disk":
      return { name: limit.name, isReached: limit.left_s === 0 };
    default:
      return null; // also of a server that knows more limits
  }
}

/** What a person should know about the sound that the server gets; null where an event says nothing of it. */
export function toSoundEvent(event: ServerEvent): SessionEvent | null {
  if (event.type === "utterance_discarded" && event.reason === "too_quiet") return { type: "too_quiet" };
  const hint = event.type === "status" ? event.hint : null;
  return hint ? { type: "hint", hint } : null;
}
