/** Texts of logging in and of keys, in Spanish. */
export const accounts = {
  logIn: "Iniciar sesión",
};
