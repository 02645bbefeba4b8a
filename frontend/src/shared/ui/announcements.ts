/** What screen readers are told: one thing after the other, and nothing while somebody dictates. */

export interface Announcement {
  text: string;
  /** Rises with each: the same text may be told again. */
  id: number;
}

export class Announcements {
  #told: Announcement = { text: "", id: 0 };
  #holders = 0;
  /** What waits for silence, the newest of each subject. */
  readonly #waiting = new Map<string, string>();
  readonly #listeners = new Set<() => void>();

  readonly get = (): Announcement => this.#told;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** @param subject what it is about: while it waits, a newer text takes the place of the older one */
  say(text: string, subject: string): void {
    if (this.#holders === 0) return this.read(text);
    this.#waiting.delete(subject);
    this.#waiting.set(subject, text);
  }

  /** Tell it now: the user has asked for it, or must act. */
  read(text: string): void {
    this.#told = { text, id: this.#told.id + 1 };
    this.#listeners.forEach((listener) => listener());
  }

  /**
   * Keep what is said until the returned function is called: a screen reader would talk into the microphone.
   */
  hold(): () => void {
    this.#holders += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holders -= 1;
      if (this.#holders > 0 || this.#waiting.size === 0) return;
      const texts = [...this.#waiting.values()];
      this.#waiting.clear();
      this.read(texts.join(" "));
    };
  }
}
