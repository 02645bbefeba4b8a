/** The unsent text of each conversation: kept in this tab for this user, also over a reload. */
import type { ComposerStore } from "./composer/composer-store";
import { getSettledText } from "./composer/model";
import type { Dictation } from "./dictation";

const DRAFTS_KEY = "prompter.drafts";
/** The key of the conversation that the first message will create. */
const NEW = "new";
const MAX_DRAFTS = 50;

type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export class Drafts {
  /** By conversation; the one that was changed last is at the end. */
  readonly #texts = new Map<string, string>();
  /** The conversation that is shown; null before the first one. */
  #shown: string | null = null;
  /** The first message was taken, and creates a conversation. */
  #isCreating = false;
  /** Nobody is logged in: stored drafts would be there for the next user. */
  #isPaused = false;

  /** @param owner the id of the user, read at each use */
  constructor(
    private readonly composer: ComposerStore,
    private readonly store: Store,
    private readonly owner: () => string,
  ) {
    composer.subscribe(() => this.#update());
  }

  /**
   * Another conversation is shown: put its draft into the composer.
   *
   * @param isDictating the text of a dictation that is going on moves along, before that draft
   */
  show(conversationId: string | null, isDictating: boolean): void {
    const key = conversationId ?? NEW;
    const before = this.#shown;
    if (key === before) return;
    if (before === null) this.#read();
    const draft = this.#texts.get(key) ?? "";
    const movesAlong =
      isDictating ||
      (this.#isCreating && before === NEW) ||
      (before === null && this.composer.get().text !== "");
    this.#isCreating = false;
    if (movesAlong && before !== null) this.#texts.delete(before);
    this.#shown = key;
    if (!movesAlong) this.composer.dispatch({ type: "replaced", text: draft });
    else if (draft !== "") prependText(this.composer, draft);
    else this.#update();
  }

  /** The text was taken to be sent. */
  handleTaken(): void {
    this.#isCreating = this.#shown === NEW;
  }

  /** The text could not be sent, and was put back. */
  handleRestored(): void {
    this.#isCreating = false;
  }

  /** Remove what is stored: nobody is logged in. The composer keeps its text. */
  pause(): void {
    this.#isPaused = true;
    this.#write();
  }

  /** Store drafts again: the same user has logged in. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#write();
  }

  #update(): void {
    const key = this.#shown;
    if (key === null) return;
    const text = getSettledText(this.composer.get());
    if (text === (this.#texts.get(key) ?? "")) return;
    this.#texts.delete(key);
    if (text !== "") this.#texts.set(key, text);
    const [oldest] = this.#texts.keys();
    if (oldest !== undefined && this.#texts.size > MAX_DRAFTS) this.#texts.delete(oldest);
    this.#write();
  }

  #read(): void {
    try {
      const kept = JSON.parse(this.store.getItem(DRAFTS_KEY) ?? "{}") as { owner?: unknown; texts?: unknown };
      if (kept.owner !== this.owner()) return this.#remove();
      for (const [key, text] of Object.entries(kept.texts ?? {})) {
        if (typeof text === "string") this.#texts.set(key, text);
      }
    } catch {
      // Storage is forbidden, or another program wrote to it: there are no drafts.
    }
  }

  #write(): void {
    if (this.#isPaused || this.#texts.size === 0) return this.#remove();
    try {
      this.store.setItem(
        DRAFTS_KEY,
        JSON.stringify({ owner: this.owner(), texts: Object.fromEntries(this.#texts) }),
      );
    } catch {
      // Storage is full or forbidden: drafts last as long as the page.
    }
  }

  #remove(): void {
    try {
      this.store.removeItem(DRAFTS_KEY);
    } catch {
      // Storage is forbidden: it holds nothing.
    }
  }
}

/**
 * Empty the composer and resolve to its text, once the last words are final or (`isWhole` false) are late.
 *
 * @param isSettled all that was said is final: nothing is waited for
 */
export async function takeText(
  dictation: Dictation,
  isSettled = false,
): Promise<{ text: string; isWhole: boolean }> {
  const isWhole = isSettled || (await dictation.settle());
  const { text } = dictation.composer.get();
  dictation.composer.dispatch({ type: "sent" });
  return { text, isWhole };
}

/** Put back a text that was not sent, before what was written since. */
export function prependText(composer: ComposerStore, unsent: string): void {
  const { text, caret } = composer.get();
  const head = text.trim() === "" ? unsent : `${unsent}\n`;
  const by = head.length;
  // As an edit of the user: open utterances move along.
  composer.dispatch({ type: "typed", text: head + text, caret: { start: by, end: by } });
  composer.dispatch({ type: "caret_moved", caret: { start: caret.start + by, end: caret.end + by } });
}
