/** The files of one message that is being written, and how each event changes them. Pure. */
import type { Attachment, AttachmentKind, MessageFiles } from "@/shared/api/attachments";
import type { Note } from "@/shared/lib/notes";

/** Why a file is not there, as a code of the server or of this page. */
export interface FileProblem {
  code: string;
  note?: Note | null;
}

export type FileState =
  /** Others are sent before it. */
  | { kind: "waiting" }
  /** On its way; `part` from 0 to 1. */
  | { kind: "sending"; part: number }
  /** The line was lost; it is tried again by itself. */
  | { kind: "lost" }
  /** The server reads it or listens to it; `part` where that is known. */
  | { kind: "reading"; part: number | null }
  | { kind: "ready" }
  | { kind: "failed"; problem: FileProblem };

export interface AttachedFile {
  /** Made by this page. */
  key: string;
  name: string;
  size: number;
  kind: AttachmentKind;
  /** `dictate`: a recording whose words are written into the field; it is not attached. */
  purpose: "attach" | "dictate";
  state: FileState;
  /** What the server has; null until then. */
  attachment: Attachment | null;
}

export type AttachedEvent =
  | { type: "added"; files: readonly AttachedFile[] }
  | { type: "sending"; key: string; part: number }
  | { type: "lost"; key: string }
  | { type: "listening"; key: string; part: number | null }
  /** The server has it, or says how far it is. */
  | { type: "told"; key: string; attachment: Attachment }
  | { type: "failed"; key: string; problem: FileProblem }
  | { type: "retried"; key: string; purpose: AttachedFile["purpose"] }
  | { type: "removed"; key: string };

export const NO_FILES_ATTACHED: readonly AttachedFile[] = [];

export function attachedReducer(
  files: readonly AttachedFile[],
  event: AttachedEvent,
): readonly AttachedFile[] {
  if (event.type === "added") return [...files, ...event.files];
  if (event.type === "removed") return files.filter(({ key }) => key !== event.key);
  return files.map((file) => (file.key === event.key ? applyEvent(file, event) : file));
}

function applyEvent(
  file: AttachedFile,
  event: Exclude<AttachedEvent, { type: "added" | "removed" }>,
): AttachedFile {
  switch (event.type) {
    case "sending":
      return { ...file, state: { kind: "sending", part: event.part } };
    case "lost":
      return { ...file, state: { kind: "lost" } };
    case "listening":
      return { ...file, state: { kind: "reading", part: event.part } };
    case "told":
      return tell(file, event.attachment);
    case "failed":
      return { ...file, state: { kind: "failed", problem: event.problem } };
    case "retried":
      return { ...file, purpose: event.purpose, state: { kind: "waiting" }, attachment: null };
  }
}

function tell(file: AttachedFile, attachment: Attachment): AttachedFile {
  const { name, kind, size_bytes: size } = attachment;
  return { ...file, name, kind, size, attachment, state: toState(attachment) };
}

function toState({ state, error }: Attachment): FileState {
  if (state === "failed") return { kind: "failed", problem: error ?? { code: "file_not_readable" } };
  return state === "ready" ? { kind: "ready" } : { kind: "reading", part: null };
}

/** A file that the server has already: of a draft from before a reload, or of a message that was not sent. */
export function fromAttachment(key: string, attachment: Attachment): AttachedFile {
  return tell(
    {
      key,
      name: attachment.name,
      size: 0,
      kind: attachment.kind,
      purpose: "attach",
      state: { kind: "ready" },
      attachment,
    },
    attachment,
  );
}

/** Whether something is still to come of it without the user. */
export function isComing({ state }: AttachedFile): boolean {
  return state.kind !== "ready" && state.kind !== "failed";
}

export function hasFailed({ state }: AttachedFile): boolean {
  return state.kind === "failed";
}

/** What a message of these files is sent with. */
export function collectFiles(files: readonly AttachedFile[], isAsText: boolean): MessageFiles {
  const attachments = files.flatMap(({ attachment, purpose, state }) =>
    attachment !== null && purpose === "attach" && state.kind === "ready" ? [attachment] : [],
  );
  return { attachments, isAsText: isAsText && attachments.some(({ kind }) => kind === "image") };
}

/** What is kept over a reload: what the server has. */
export function collectKept(files: readonly AttachedFile[]): Attachment[] {
  return files.flatMap(({ attachment, purpose }) =>
    attachment !== null && purpose === "attach" ? [attachment] : [],
  );
}

export function hasPictures(files: readonly AttachedFile[]): boolean {
  return files.some(({ kind, purpose }) => kind === "image" && purpose === "attach");
}

const SOUND = /\.(mp3|m4a|wav|oga|ogg|opus|flac|aac|amr|weba|caf|aiff?|wma)$/i;
const MOVING = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|3gp)$/i;
const PICTURE = /\.(png|jpe?g|webp|gif|hei[cf]|bmp|avif)$/i;

/** What a file seems to be, until the server has looked into it. */
export function guessKind({ name, type }: { name: string; type: string }): AttachmentKind {
  if (type.startsWith("image/") || PICTURE.test(name)) return "image";
  if (type.startsWith("audio/") || SOUND.test(name)) return "audio";
  if (type.startsWith("video/") || MOVING.test(name)) return "video";
  return type.startsWith("text/") ? "text" : "document";
}
