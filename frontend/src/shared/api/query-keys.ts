/** Names of what is kept of the server's state, so that whoever changes something can say what is stale. */
export const keys = {
  me: ["me"],
  conversations: ["conversations"],
  conversation: (id: string) => ["conversation", id],
  messages: (id: string) => ["messages", id],
  search: (words: string) => ["search", words],
  models: ["models"],
  speechEngines: ["providers", "stt"],
  languageModels: ["providers", "llm"],
  dictations: ["dictations"],
  apiKeys: ["api-keys"],
} as const;
