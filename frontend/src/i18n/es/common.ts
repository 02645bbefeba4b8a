/** Texts that more than one feature uses, in Spanish. */
export const common = {
  appName: "PROMPTer",
  cancel: "Cancelar",
  close: "Cerrar",
  save: "Guardar",
  retry: "Reintentar",
  copy: "Copiar",
  copied: "Copiado",
  undo: "Deshacer",
  delete: "Eliminar",
  loading: "Cargando …",
  skipToContent: "Ir a la conversación",
  unreachable: "El servidor no responde.",
  somethingFailed: "Algo falló en esta página.",
  reload: "Volver a cargar la página",
  keyboard: "Atajos de teclado",
};
