/** The messages to the speech socket, and the events and states of a dictation session. */

import type { components } from "@/shared/api/schema";
import type { ClientMessage } from "@/shared/api/types";

import type { Mark } from "../composer/model";
import type { Keeping } from "../unsent/speech-keeper";
import type { Failure } from "./failure";

/** A message of the wire with every field but `type` optional: the server has the defaults. */
type WithDefaults<Message> = Message extends { type: infer Type }
  ? { type: Type } & Partial<Omit<Message, "type" | "config">>
  : never;

export type StartConfig = Partial<components["schemas"]["StartConfig"]>;
export type OutgoingMessage =
  WithDefaults<ClientMessage> | { type: "start"; session_id: string; config: StartConfig };

/** How long a final took after the end of speech. */
export interface Latency {
  /** From the end of speech to the text on this page. */
  totalMs: number;
  /** Its parts: the silence that ended the utterance, the wait for the engine, and its work. */
  endpointMs: number;
  queueMs: number;
  decodeMs: number;
  model: string;
}

/** What the server says about the sound that it gets. */
export interface ServerHint {
  code: string;
  message: string;
}

/** What the server says that a dictation waits for. */
export type Awaited =
  /** The engine is being loaded. */
  | { kind: "loading" }
  /** An utterance has ended, and its text is not there yet. */
  | { kind: "writing" }
  /** The same, and others come first: 1 is next. */
  | { kind: "queued"; place: number }
  /** So much audio waits to be written. */
  | { kind: "catchingUp"; seconds: number };

/** A limit of the server that is near, or has been reached. */
export interface NearLimit {
  name: "session" | "backlog" | "spool" | "disk";
  isReached: boolean;
}

export interface ActiveEngine {
  provider: string;
  model: string | null;
  lang: string;
  /** Why the server chose this engine, where it did. */
  reason: string | null;
}

/** `connecting` until the engine is loaded; `finishing` from stop until the last final. */
export type SessionState =
  | { kind: "connecting" }
  | { kind: "ready"; engine: ActiveEngine }
  | { kind: "reconnecting" }
  | { kind: "finishing" }
  | { kind: "ended" }
  | { kind: "failed"; failure: Failure };

export type SessionEvent =
  | { type: "state"; state: SessionState }
  /** The server stores the dictation under this id. */
  | { type: "stored"; dictationId: string }
  | { type: "speech"; isSpeaking: boolean }
  /** Speech pauses. If the pause lasts, this text becomes final; it began `elapsedMs` ago. */
  | { type: "pause"; text: string; elapsedMs: number }
  /** Speech goes on after a pause, or was none. */
  | { type: "pause_over" }
  | { type: "load"; partials: "on" | "first_only" | "off" }
  /** What the server says is awaited; null where that is nothing. */
  | { type: "awaited"; awaited: Awaited | null }
  /** Which limit of the server is near; null where none is, or none any more. */
  | { type: "limit"; limit: NearLimit | null }
  | { type: "partial"; key: string; text: string; stable: string }
  /**
   * The last event of an utterance. The text is empty, and there is no latency, where the utterance was
   * discarded.
   */
  | {
      type: "final";
      key: string;
      text: string;
      latency: Latency | null;
      marks: readonly Mark[];
      /** It goes on with the sentence of the final before it. */
      isJoined: boolean;
    }
  /** Speech was so quiet that it came to nothing. */
  | { type: "too_quiet" }
  /** The server says what is wrong with the sound. The code is stable; the message is English. */
  | { type: "hint"; hint: ServerHint }
  /** The server is away: so much of what was said is recorded here, and waits for it. Told at each second. */
  | {
      type: "waiting";
      seconds: number;
      keeping: Keeping;
      /** Whether the server has ever been ready: else nobody knows whether it can make text of it. */
      isEngineKnown: boolean;
    }
  /** No more can wait: the microphone is to be switched off. */
  | { type: "full" }
  /** All that was said while the server was away has its text. */
  | { type: "caught_up" }
  /** Another dictation starts: utterances that were not final come again, under other keys. */
  | { type: "restarted" };

/** The address of the speech socket on the server of the page. */
export function getSocketUrl(page: Location): string {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}/ws/stt`;
}
