/** Texts that are not sent yet, by place: kept in this tab for this user, also over a reload. */

export type TabStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const MAX_TEXTS = 50;

/** The storage of this tab alone: two tabs do not overwrite each other's texts. */
export function openTabStorage(): TabStorage {
  try {
    return sessionStorage;
  } catch {
    return { getItem: () => null, setItem: () => undefined, removeItem: () => undefined }; // forbidden
  }
}

export class TabTexts {
  /** The one that was changed last is at the end; null until they are read, when their user is known. */
  #texts: Map<string, string> | null = null;
  /** Nobody is logged in: stored texts would be there for the next user. */
  #isPaused = false;

  /**
   * @param name the key in `store`
   * @param owner the id of the user, read at each use
   */
  constructor(
    private readonly name: string,
    private readonly store: TabStorage,
    private readonly owner: () => string,
  ) {}

  get(place: string): string {
    return this.#all().get(place) ?? "";
  }

  /** All places with a text; the one that was changed last is at the end. */
  places(): string[] {
    return [...this.#all().keys()];
  }

  /** Keep a text; an empty one is forgotten. Of very many the oldest is forgotten too. */
  set(place: string, text: string): void {
    const texts = this.#all();
    if (text === (texts.get(place) ?? "")) return;
    texts.delete(place);
    if (text !== "") texts.set(place, text);
    const [oldest] = texts.keys();
    if (oldest !== undefined && texts.size > MAX_TEXTS) texts.delete(oldest);
    this.#write();
  }

  /** Remove what is stored: nobody is logged in. The page keeps its texts. */
  pause(): void {
    this.#isPaused = true;
    this.#write();
  }

  /** Store the texts again: the same user has logged in. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#write();
  }

  #all(): Map<string, string> {
    this.#texts ??= this.#read();
    return this.#texts;
  }

  #read(): Map<string, string> {
    const texts = new Map<string, string>();
    try {
      const kept = JSON.parse(this.store.getItem(this.name) ?? "{}") as { owner?: unknown; texts?: unknown };
      if (kept.owner !== this.owner()) this.#remove();
      else
        for (const [place, text] of Object.entries(kept.texts ?? {})) {
          if (typeof text === "string") texts.set(place, text);
        }
    } catch {
      // Storage is forbidden, or another program wrote to it: there are no texts.
    }
    return texts;
  }

  #write(): void {
    if (this.#isPaused || this.#all().size === 0) return this.#remove();
    try {
      const texts = Object.fromEntries(this.#all());
      this.store.setItem(this.name, JSON.stringify({ owner: this.owner(), texts }));
    } catch {
      // Storage is full or forbidden: the texts last as long as the page.
    }
  }

  #remove(): void {
    try {
      this.store.removeItem(this.name);
    } catch {
      // Storage is forbidden: it holds nothing.
    }
  }
}
