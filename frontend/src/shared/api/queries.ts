/** How the page keeps what the server has said: the query client, and the key of each kind of data. */
import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "./client";

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        // A refusal is not retried; a server that did not answer may answer now.
        retry: (failures, error) =>
          failures < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 500),
      },
    },
  });
}

/** One key for each kind of data: code that changes something invalidates it by the same key. */
export const keys = {
  me: ["me"],
  conversations: ["conversations"],
  eachConversation: ["conversation"],
  conversation: (id: string) => ["conversation", id],
  allMessages: ["messages"],
  messages: (id: string) => ["messages", id],
  search: (words: string) => ["search", words],
  models: ["models"],
  modelAbilities: ["models", "abilities"],
  attachment: (id: string, part: string) => ["attachments", id, part],
  speechEngines: ["providers", "stt"],
  languageModels: ["providers", "llm"],
  connections: ["connections"],
  shares: ["shares"],
  imports: ["imports"],
  checkpoints: ["checkpoints"],
  dictations: ["dictations"],
  dictation: (id: string) => ["dictations", id],
  dictationVersions: (id: string) => ["dictations", id, "versions"],
  dictationVersion: (id: string, version: string) => ["dictations", id, "versions", version],
  mySettings: ["my-settings"],
  apiKeys: ["api-keys"],
} as const;
