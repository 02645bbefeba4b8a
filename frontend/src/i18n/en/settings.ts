/** Texts of the settings and the guide, in English. */
export const settings = {
  title: "Settings",
};
