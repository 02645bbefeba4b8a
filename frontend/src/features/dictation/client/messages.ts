/** What the page says on the speech socket, and what it is told of a dictation. */

import type { components } from "@/shared/api/schema";
import type { ClientMessage } from "@/shared/api/types";

import type { Failure } from "./failure";

/** The wire's messages with every field but `type` optional: the server has the defaults. */
type Said<Message> = Message extends { type: infer Type }
  ? { type: Type } & Partial<Omit<Message, "type" | "config">>
  : never;

export type StartConfig = Partial<components["schemas"]["StartConfig"]>;
export type Saying = Said<ClientMessage> | { type: "start"; session_id: string; config: StartConfig };

/** How long a final took after the end of speech. */
export interface Receipt {
  /** From the end of speech to the text on this page. */
  totalMs: number;
  /** Silence that was waited for, the wait for the engine, and its work. */
  endpointMs: number;
  queueMs: number;
  decodeMs: number;
  model: string;
}

export interface Engine {
  provider: string;
  model: string | null;
  lang: string;
  /** Why this one, where the server chose it. */
  reason: string | null;
}

/** `connecting` until the engine is loaded; `finishing` from stop until the last final. */
export type SessionState =
  | { kind: "connecting" }
  | { kind: "ready"; engine: Engine }
  | { kind: "reconnecting" }
  | { kind: "finishing" }
  | { kind: "ended" }
  | { kind: "failed"; failure: Failure };

export type SessionEvent =
  | { type: "state"; state: SessionState }
  | { type: "speech"; isSpeaking: boolean }
  | { type: "load"; partials: "on" | "first_only" | "off" }
  | { type: "partial"; key: string; text: string; stable: string }
  /** The last of an utterance; empty, and without a receipt, where it came to nothing. */
  | { type: "final"; key: string; text: string; receipt: Receipt | null }
  /** The dictation is begun anew: what was open is said again, under other keys. */
  | { type: "restarted" };

/** What the address of the page makes of the socket's. */
export function socketUrl(page: Location): string {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}/ws/stt`;
}
