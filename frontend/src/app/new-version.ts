/** Finds out whether the server gives another page than this one by now: after an upgrade its parts are gone. */

const ENTRY = /<script[^>]+src="(\/assets\/index-[^"]+)"/;

/** The name of the script that a page begins with tells its build; null while it is developed. */
export function buildOf(html: string): string | null {
  return ENTRY.exec(html)?.[1] ?? null;
}

/** Asks at most once in `everyMs`, and no more once it is so. */
export class NewVersion {
  #askedMs = -Infinity;
  #isOld = false;

  constructor(
    private readonly own: string | null,
    private readonly tell: () => void,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
    private readonly now: () => number = Date.now,
    private readonly everyMs = 60_000,
  ) {}

  async ask(): Promise<void> {
    if (this.own === null || this.#isOld || this.now() - this.#askedMs < this.everyMs) return;
    this.#askedMs = this.now();
    const there = await this.#there();
    this.#isOld = there !== null && there !== this.own;
    if (this.#isOld) this.tell();
  }

  async #there(): Promise<string | null> {
    try {
      const answer = await this.fetcher("/", { headers: { Accept: "text/html" } });
      return answer.ok ? buildOf(await answer.text()) : null;
    } catch {
      return null; // No server now: asked again another time.
    }
  }
}
