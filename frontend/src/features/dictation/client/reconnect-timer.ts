/** Decides when to reconnect: soon, after growing pauses, and when the network or the user come back. */

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** How long a lost server is tried: as long as the audio of that time can be kept. */
const RETRY_LIMIT_MS = 120_000;
/**
 * How long a server is tried that was never ready: users who start to speak must learn soon that it is
 * missing.
 */
const FIRST_RETRY_LIMIT_MS = 5000;

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

  /** Try again after a pause; false where the server has been lost for too long. */
  schedule(): boolean {
    const nowMs = performance.now();
    this.#lostAtMs ??= nowMs;
    if (nowMs - this.#lostAtMs > (this.#wasConnected ? RETRY_LIMIT_MS : FIRST_RETRY_LIMIT_MS)) return false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#retryNow, this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    return true;
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
