/** What is composed and not sent yet, for each conversation: it survives a reload, in this tab, for this user. */

import type { ComposerStore } from "./composer/composer-store";
import { settledText } from "./composer/model";
import { putBefore } from "./draft";

const STORE_KEY = "prompter.drafts";
/** The conversation that is not made yet. */
const NEW = "new";
const KEPT = 50;

type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export class Drafts {
  /** By conversation, the one that was changed last at the end. */
  readonly #texts = new Map<string, string>();
  /** The conversation that is shown. */
  #shown: string | null = null;
  /** A first message is on its way, and makes a conversation. */
  #isMaking = false;
  /** Nobody is logged in: what is kept would be there for whoever comes next. */
  #isForgetting = false;

  /** @param owner whose drafts these are; asked anew each time */
  constructor(
    private readonly composer: ComposerStore,
    private readonly store: Store,
    private readonly owner: () => string,
  ) {
    composer.subscribe(() => this.#note());
  }

  /** Another conversation is shown: its draft comes to stand in the composer, or (`isOpen`) what is dictated goes along. */
  show(conversationId: string | null, isOpen: boolean): void {
    const key = conversationId ?? NEW;
    const before = this.#shown;
    if (key === before) return;
    if (before === null) this.#load();
    const there = this.#texts.get(key) ?? "";
    const goesAlong =
      isOpen || (this.#isMaking && before === NEW) || (before === null && this.composer.get().text !== "");
    this.#isMaking = false;
    if (goesAlong && before !== null) this.#texts.delete(before);
    this.#shown = key;
    if (!goesAlong) this.composer.dispatch({ type: "replaced", text: there });
    else if (there !== "") putBefore(this.composer, there);
    else this.#note();
  }

  /** The text was taken, to be sent. */
  taken(): void {
    this.#isMaking = this.#shown === NEW;
  }

  /** It could not be sent. */
  restored(): void {
    this.#isMaking = false;
  }

  /** Nobody is logged in any more. What stands in the composer stays there. */
  forget(): void {
    this.#isForgetting = true;
    this.#write();
  }

  /** Somebody is: the same, or the page would be another. */
  keep(): void {
    if (!this.#isForgetting) return;
    this.#isForgetting = false;
    this.#write();
  }

  #note(): void {
    const key = this.#shown;
    if (key === null) return;
    const text = settledText(this.composer.get());
    if (text === (this.#texts.get(key) ?? "")) return;
    this.#texts.delete(key);
    if (text !== "") this.#texts.set(key, text);
    const [oldest] = this.#texts.keys();
    if (oldest !== undefined && this.#texts.size > KEPT) this.#texts.delete(oldest);
    this.#write();
  }

  #load(): void {
    try {
      const kept = JSON.parse(this.store.getItem(STORE_KEY) ?? "{}") as { owner?: unknown; texts?: unknown };
      if (kept.owner !== this.owner()) return this.#remove();
      for (const [key, text] of Object.entries(kept.texts ?? {})) {
        if (typeof text === "string") this.#texts.set(key, text);
      }
    } catch {
      // Not ours, or forbidden: there are no drafts.
    }
  }

  #write(): void {
    if (this.#isForgetting || this.#texts.size === 0) return this.#remove();
    try {
      this.store.setItem(
        STORE_KEY,
        JSON.stringify({ owner: this.owner(), texts: Object.fromEntries(this.#texts) }),
      );
    } catch {
      // A full or forbidden store: the draft lives as long as the page.
    }
  }

  #remove(): void {
    try {
      this.store.removeItem(STORE_KEY);
    } catch {
      // Forbidden: there is nothing in it either.
    }
  }
}
