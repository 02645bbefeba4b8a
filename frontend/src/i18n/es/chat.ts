/** Texts of the chat, in Spanish. */
export const chat = {
  region: "Conversación",
};
