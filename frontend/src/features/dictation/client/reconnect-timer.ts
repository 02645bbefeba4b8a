/**
 * Decides when to reconnect: soon, after growing pauses, and when the network or the user come back. It never
 * gives up: what is said meanwhile is recorded.
 */

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** Of a server that has been away for this long the pauses grow further. */
const LONG_LOST_MS = 120_000;
const LONG_LOST_PAUSE_MS = 5000;

export class ReconnectTimer {
  #lostAtMs: number | null = null;
  #pauseMs = FIRST_PAUSE_MS;
  #wasConnected = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly attempt: () => void) {
    addEventListener("online", this.#retryNow);
    // The timers of a hidden page may sleep for a minute.
    document.addEventListener("visibilitychange", this.#handleVisibility);
  }

  /** Whether the server was ready at least once. */
  get wasConnected(): boolean {
    return this.#wasConnected;
  }

  get isLost(): boolean {
    return this.#lostAtMs !== null;
  }

  /** Try again after a pause. */
  schedule(): void {
    const nowMs = performance.now();
    this.#lostAtMs ??= nowMs;
    const isLongLost = nowMs - this.#lostAtMs > LONG_LOST_MS;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#retryNow, isLongLost ? LONG_LOST_PAUSE_MS : this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  /** The server is ready. */
  reset(): void {
    this.#wasConnected = true;
    this.#lostAtMs = null;
    this.#pauseMs = FIRST_PAUSE_MS;
    clearTimeout(this.#timer);
  }

  dispose(): void {
    this.reset();
    removeEventListener("online", this.#retryNow);
    document.removeEventListener("visibilitychange", this.#handleVisibility);
  }

  readonly #handleVisibility = (): void => {
    if (document.visibilityState === "visible") this.#retryNow();
  };

  readonly #retryNow = (): void => {
    if (!this.isLost) return;
    clearTimeout(this.#timer);
    this.attempt();
  };
}
