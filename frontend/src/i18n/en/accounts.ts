/** Texts of logging in and of keys, in English. */
export const accounts = {
  logIn: "Log in",
};
