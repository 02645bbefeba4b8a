/** Texts of the sidebar, in Spanish. */
export const history = {
  region: "Conversaciones",
};
