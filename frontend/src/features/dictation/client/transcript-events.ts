/** Translates the server's events about speech into events of a session. Pure. */
import type { ServerEvent } from "@/shared/api/types";

import type { SessionEvent } from "./messages";

/** The additional events that `start` asks for. */
export const WANTED_EVENTS = [
  "ack",
  "speech_started",
  "speech_stopped",
  "utterance_discarded",
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
      const { endpoint_ms, queue_ms, decode_ms, speech_end_ms } = event.timing;
      const latency = {
        totalMs: Math.max(0, Math.round(sinceMs(speech_end_ms))),
        endpointMs: endpoint_ms,
        queueMs: queue_ms,
        decodeMs: decode_ms,
        model: event.model ?? event.provider,
      };
      return { type: "final", key: `${dictation}:${event.utterance_id}`, text: event.text, latency };
    }
    case "utterance_discarded":
      return { type: "final", key: `${dictation}:${event.utterance_id}`, text: "", latency: null };
    case "speech_started":
      return { type: "speech", isSpeaking: true };
    case "speech_stopped":
      return { type: "speech", isSpeaking: false };
    case "status":
      return { type: "load", partials: event.partials };
    default:
      return null;
  }
}
