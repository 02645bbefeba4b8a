/** The files of messages, as they go with one that is sent. */
import type { Attachment } from "./types";

export type { Attachment };
export type AttachmentKind = Attachment["kind"];

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
