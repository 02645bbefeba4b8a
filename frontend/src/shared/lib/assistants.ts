/** Which of those who answer are assistants, and how they stand: pure. */
import type { LlmProvider } from "@/shared/api/types";

export interface Assistant {
  /** What a conversation calls it. */
  id: string;
  title: string;
  description: string;
  status: LlmProvider["status"];
  /** What to do about it where it is not ready, in the server's words. */
  hint: string;
}

export function assistantsOf(items: readonly LlmProvider[] | undefined): Assistant[] {
  return (items ?? []).flatMap(({ name, status, description, assistant }) =>
    assistant
      ? [{ id: name, title: assistant.title, description: assistant.description, status, hint: description }]
      : [],
  );
}

/** Whether nobody answers but `echo`: assistants need a model themselves, and are there without one. */
export function isEchoOnly(ids: readonly string[], assistants: readonly Assistant[]): boolean {
  const acting = new Set(assistants.map(({ id }) => id));
  return ids.every((id) => id === "echo" || id.startsWith("echo/") || acting.has(id));
}
