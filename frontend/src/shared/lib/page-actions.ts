/** What one part of the page does and another one may ask for, such as hands-free from the jump palette. */

export const HANDS_FREE = "hands-free";

export class PageActions {
  readonly #actions = new Map<string, () => void>();
  /** Asked for before the part that does it was shown. */
  #asked: string | null = null;

  /** Offer an action until the function that is returned is called. */
  register(name: string, run: () => void): () => void {
    this.#actions.set(name, run);
    if (this.#asked === name) {
      this.#asked = null;
      run();
    }
    return () => {
      if (this.#actions.get(name) === run) this.#actions.delete(name);
    };
  }

  isOffered(name: string): boolean {
    return this.#actions.has(name);
  }

  /** Run an action now, or as soon as it is offered. */
  run(name: string): void {
    const action = this.#actions.get(name);
    this.#asked = action === undefined ? name : null;
    action?.();
  }
}
