/** Texts of dictation, in English. */
export const dictation = {
  region: "Dictation",
};
