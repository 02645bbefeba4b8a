/** Texts of the chat, in English. */
export const chat = {
  region: "Conversation",
};
