/** When to look again for a server that was lost: at once, after growing pauses, and when network or reader come back. */

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** How long a lost server is looked for: as long as there is room for what is said meanwhile … */
const PATIENCE_MS = 120_000;
/** … and one that never was ready: whoever begins to speak wants to know soon whether anybody listens. */
const FIRST_PATIENCE_MS = 5000;

export class Retry {
  #lostAtMs: number | null = null;
  #pauseMs = FIRST_PAUSE_MS;
  #wasFound = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly attempt: () => void) {
    addEventListener("online", this.#now);
    document.addEventListener("visibilitychange", this.#seen); // hidden, a page's timers sleep for up to a minute
  }

  /** Whether the server was there at least once. */
  get wasFound(): boolean {
    return this.#wasFound;
  }

  get isLost(): boolean {
    return this.#lostAtMs !== null;
  }

  /** Try again in a moment; false where it has taken too long already. */
  later(): boolean {
    const nowMs = performance.now();
    this.#lostAtMs ??= nowMs;
    if (nowMs - this.#lostAtMs > (this.#wasFound ? PATIENCE_MS : FIRST_PATIENCE_MS)) return false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#now, this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    return true;
  }

  /** The server is there. */
  found(): void {
    this.#wasFound = true;
    this.#lostAtMs = null;
    this.#pauseMs = FIRST_PAUSE_MS;
    clearTimeout(this.#timer);
  }

  dispose(): void {
    this.found();
    removeEventListener("online", this.#now);
    document.removeEventListener("visibilitychange", this.#seen);
  }

  readonly #seen = (): void => {
    if (document.visibilityState === "visible") this.#now();
  };

  readonly #now = (): void => {
    if (!this.isLost) return;
    clearTimeout(this.#timer);
    this.attempt();
  };
}
