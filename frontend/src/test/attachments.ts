/** For tests: a file as the server tells of it. */
import type { Attachment } from "@/shared/api/attachments";

export function buildAttachment(given: Partial<Attachment> = {}): Attachment {
  return {
    id: "f1",
    name: "notes.txt",
    kind: "text",
    media_type: "text/plain",
    size_bytes: 1200,
    width: null,
    height: null,
    pages: null,
    tokens: 300,
    total_tokens: 300,
    cut: false,
    sha256: "",
    created_at: "2026-11-30T04:00:00Z",
    state: "ready",
    error: null,
    has_thumbnail: false,
    ...given,
  };
}
