/** Texts of the sidebar, in English. */
export const history = {
  region: "Conversations",
};
