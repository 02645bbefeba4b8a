/** The window that lies over all others: what is not inside it can be neither clicked nor read out. */

const open: HTMLDialogElement[] = [];
const listeners = new Set<() => void>();

export const topDialog = {
  get: (): HTMLDialogElement | null => open.at(-1) ?? null,
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  add(dialog: HTMLDialogElement): void {
    open.push(dialog);
    listeners.forEach((listener) => listener());
  },
  remove(dialog: HTMLDialogElement): void {
    open.splice(open.indexOf(dialog), 1);
    listeners.forEach((listener) => listener());
  },
};
