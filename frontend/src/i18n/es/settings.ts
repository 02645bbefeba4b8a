/** Texts of the settings and the guide, in Spanish. */
export const settings = {
  title: "Ajustes",
};
