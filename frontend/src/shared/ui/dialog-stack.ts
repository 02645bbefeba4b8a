/** The open dialogs, the uppermost last: nothing outside of that one can be clicked or read out. */

export class DialogStack {
  readonly #open: HTMLDialogElement[] = [];
  readonly #listeners = new Set<() => void>();

  readonly top = (): HTMLDialogElement | null => this.#open.at(-1) ?? null;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  add(dialog: HTMLDialogElement): void {
    this.#open.push(dialog);
    this.#listeners.forEach((listener) => listener());
  }

  remove(dialog: HTMLDialogElement): void {
    this.#open.splice(this.#open.indexOf(dialog), 1);
    this.#listeners.forEach((listener) => listener());
  }
}
