/** Why there is no dictation, in the few kinds that a person can do something about. */

export type FailureKind =
  | "no_permission"
  | "no_device"
  | "device_busy"
  | "device_lost"
  | "insecure"
  | "unsupported"
  | "no_server"
  | "not_ready"
  | "unknown_engine"
  | "language"
  | "busy"
  | "unauthorized"
  | "not_allowed"
  | "taken_over"
  | "engine_failed"
  | "refused";

export interface Failure {
  kind: FailureKind;
  /** What the server said about it, and how to go on; empty where it said nothing. */
  detail: string;
}

const KINDS: Record<string, FailureKind> = {
  provider_not_ready: "not_ready",
  unknown_provider: "unknown_engine",
  unknown_model: "unknown_engine",
  language_not_supported: "language",
  server_full: "busy",
  too_many_attempts: "busy",
  unauthorized: "unauthorized",
  not_allowed: "not_allowed",
  forbidden: "not_allowed",
  engine_failed: "engine_failed",
};

/** The failure that an error code of docs/http-api.md means. */
export function failureOf(code: string, detail: string): Failure {
  return { kind: KINDS[code] ?? "refused", detail };
}

/** How a socket ended. */
export interface Ended {
  /** The close code; 1006 where the connection broke off, or never came about. */
  code: number;
  reason: string;
  /** The server's last fatal error. */
  error: { code: string; message: string } | null;
}

/** What can be done after a socket has ended: take the dictation up again, begin another one, or nothing. */
export function wayOn(ended: Ended, canGoOn: boolean): "resume" | "restart" | "fail" {
  const error = ended.error?.code ?? "";
  if (ended.reason === "resumed_elsewhere") return "fail";
  if (["slow_reader", "idle_timeout", "unauthorized"].includes(error)) return canGoOn ? "resume" : "fail";
  if (ended.code === 1012 || error === "session_too_long") return "restart";
  if (error === "" && [1001, 1005, 1006, 1011, 4408].includes(ended.code)) return canGoOn ? "resume" : "fail";
  return "fail";
}

/** The failure of a socket that ended for good. */
export function failureOfEnd(ended: Ended): Failure {
  if (ended.error !== null) return failureOf(ended.error.code, ended.error.message);
  if (ended.reason === "resumed_elsewhere") return { kind: "taken_over", detail: "" };
  if (ended.code === 1013) return { kind: "busy", detail: "" };
  if (ended.code === 1008) return { kind: "not_allowed", detail: "" };
  if (ended.code === 1011) return { kind: "engine_failed", detail: "" };
  return { kind: "no_server", detail: "" };
}
