/** Texts of dictation, in Spanish. */
export const dictation = {
  region: "Dictado",
};
