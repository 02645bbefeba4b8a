/** Server events about speech, in the page's words. */

import type { ServerEvent } from "@/shared/api/types";

import type { SessionEvent } from "./messages";

export const WANTED_EVENTS = [
  "ack",
  "speech_started",
  "speech_stopped",
  "utterance_discarded",
  "status",
] as const;

/**
 * What an event tells the page; null where that is nothing.
 *
 * @param dictation what makes keys unique where a session begins a second dictation
 * @param sinceMs how long ago a moment of the dictation was spoken
 */
export function textEventOf(
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
      const receipt = {
        totalMs: Math.max(0, Math.round(sinceMs(speech_end_ms))),
        endpointMs: endpoint_ms,
        queueMs: queue_ms,
        decodeMs: decode_ms,
        model: event.model ?? event.provider,
      };
      return { type: "final", key: `${dictation}:${event.utterance_id}`, text: event.text, receipt };
    }
    case "utterance_discarded":
      return { type: "final", key: `${dictation}:${event.utterance_id}`, text: "", receipt: null };
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
