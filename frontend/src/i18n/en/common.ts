/** Texts that more than one feature uses, in English. */
export const common = {
  appName: "PROMPTer",
  cancel: "Cancel",
  close: "Close",
  save: "Save",
  retry: "Try again",
  copy: "Copy",
  copied: "Copied",
  undo: "Undo",
  delete: "Delete",
  loading: "Loading …",
  skipToContent: "Skip to the conversation",
  unreachable: "The server does not answer.",
  somethingFailed: "Something on this page failed.",
  reload: "Load the page again",
  keyboard: "Keyboard shortcuts",
};
