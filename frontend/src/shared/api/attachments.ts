/** Files of messages, as the server tells of them, and as they go with a message that is sent. */
import type { Note } from "../lib/notes";

export type AttachmentKind = "image" | "text" | "document" | "audio" | "video";

/** A file that the server has. */
export interface Attachment {
  id: string;
  name: string;
  kind: AttachmentKind;
  media_type: string;
  size_bytes: number;
  width: number | null;
  height: number | null;
  pages: number | null;
  /** How much of its text a model gets, and all of it; null where it has none, or none yet. */
  tokens: number | null;
  total_tokens: number | null;
  /** The text was too long: only its beginning is read. */
  cut: boolean;
  /** `working`: the server reads it or listens to it. */
  state: "ready" | "working" | "failed";
  error?: { code: string; message: string; note?: Note | null } | null;
  has_thumbnail: boolean;
}

/** The files of one message. */
export interface MessageFiles {
  attachments: readonly Attachment[];
  /** The model gets the names of the pictures alone, as the user has chosen. */
  isAsText: boolean;
}

export const NO_FILES: MessageFiles = { attachments: [], isAsText: false };

/** The fields of a request that sends these files. */
export function toFileFields({ attachments, isAsText }: MessageFiles): Record<string, unknown> {
  if (attachments.length === 0) return {};
  const ids = attachments.map(({ id }) => id);
  return { attachments: ids, ...(isAsText ? { attachments_as_text: true } : {}) };
}

/** The files of two messages that become one. */
export function joinFiles(one: MessageFiles, other: MessageFiles): MessageFiles {
  const known = new Set(one.attachments.map(({ id }) => id));
  return {
    attachments: [...one.attachments, ...other.attachments.filter(({ id }) => !known.has(id))],
    isAsText: one.isAsText || other.isAsText,
  };
}

/** Files that were kept as JSON; none where it is something else. */
export function readFiles(value: unknown): MessageFiles {
  if (typeof value !== "object" || value === null) return NO_FILES;
  const { attachments, isAsText } = value as Record<string, unknown>;
  if (!Array.isArray(attachments)) return NO_FILES;
  return { attachments: attachments.filter(isAttachment), isAsText: isAsText === true };
}

export function isAttachment(value: unknown): value is Attachment {
  if (typeof value !== "object" || value === null) return false;
  const { id, name, kind, state } = value as Record<string, unknown>;
  return [id, name, kind, state].every((each) => typeof each === "string");
}
