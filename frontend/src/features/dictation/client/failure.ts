/** Why a dictation failed, in kinds that a user can act on, and what follows the end of a socket. Pure. */
import type { Note } from "@/shared/lib/notes";

export type FailureKind =
  | "no_permission"
  | "no_device"
  | "device_busy"
  | "device_lost"
  | "microphone_failed"
  | "permission_withdrawn"
  | "blocked_by_system"
  | "insecure"
  | "unsupported"
  | "no_server"
  | "new_version"
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
  /** What the server, or the browser, says about it and advises; empty where it says nothing. */
  detail: string;
  /** The explanation as a code, which the page words. */
  note?: Note | null;
}

const KIND_BY_CODE: Record<string, FailureKind> = {
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

/** The failure behind an error code of the speech socket. */
export function toFailure(code: string, detail: string, note?: Note | null): Failure {
  return { kind: KIND_BY_CODE[code] ?? "refused", detail, note: note ?? { code } };
}

/** How a socket ended. */
export interface SocketEnd {
  /** The close code; 1006 where the connection broke or could not be opened. */
  code: number;
  reason: string;
  /** The server's last fatal error. */
  error: { code: string; message: string; note?: Note | null | undefined } | null;
}

/** Whether a fault of the server ended the socket. The server may keep the dictation. */
export function isFault(end: SocketEnd): boolean {
  return end.error?.code === "internal_error";
}

/**
 * What follows the end of a socket: resume the dictation, start another one, or give up. `survives`: another
 * server goes on with the dictation where one stops.
 */
export function chooseRecovery(
  end: SocketEnd,
  canResume: boolean,
  survives = false,
): "resume" | "restart" | "fail" {
  const error = end.error?.code ?? "";
  if (end.reason === "resumed_elsewhere") return "fail";
  if (isFault(end) || ["slow_reader", "idle_timeout", "unauthorized"].includes(error))
    return canResume ? "resume" : "fail";
  if (end.code === 1012 && canResume && survives) return "resume";
  if (end.code === 1012 || error === "session_too_long") return "restart";
  if (error === "" && [1001, 1002, 1005, 1006, 1007, 1011, 4408].includes(end.code))
    return canResume ? "resume" : "fail";
  return "fail";
}

/** The failure of a socket after which nothing can follow. */
export function explainEnd(end: SocketEnd): Failure {
  if (end.error !== null) return toFailure(end.error.code, end.error.message, end.error.note);
  if (end.reason === "resumed_elsewhere") return { kind: "taken_over", detail: "" };
  if (end.code === 1013) return { kind: "busy", detail: "" };
  if (end.code === 1008) return { kind: "not_allowed", detail: "" };
  if (end.code === 1011) return { kind: "engine_failed", detail: "" };
  return { kind: "no_server", detail: "" };
}
