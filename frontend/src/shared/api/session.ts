/** Who is logged in: holds the access token in memory only, renews it by the cookie, tells whoever listens. */
import type { LogIn } from "./types";

/** `open`: the server asks nobody, or not known yet. `in`: a token is held. `out`: somebody has to log in. */
export type SessionState = "open" | "in" | "out";

/** Renew when less than this is left, so that no request and no socket starts with a dying token. */
const MARGIN_MS = 30_000;
const LOCK = "prompter.refresh";

export class Session {
  #token: string | null = null;
  #expiresAtMs = 0;
  #state: SessionState = "open";
  #renewing: Promise<boolean> | null = null;
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
    private readonly now: () => number = Date.now,
  ) {}

  get state(): SessionState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The token to send, renewed if it is about to end; null where none is needed or none can be had. */
  async token(): Promise<string | null> {
    if (this.#state === "in" && this.#expiresAtMs - this.now() < MARGIN_MS) await this.renew();
    return this.#token;
  }

  accept(tokens: Pick<LogIn, "access_token" | "expires_in">): void {
    this.#token = tokens.access_token;
    this.#expiresAtMs = this.now() + tokens.expires_in * 1000;
    this.#move("in");
  }

  end(): void {
    this.#token = null;
    this.#move("out");
  }

  /** Renew by the cookie; false ends the session. One at a time here, and by a lock among the tabs. */
  renew(): Promise<boolean> {
    this.#renewing ??= this.#inTurn(() => this.#renew()).finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /** A refresh token that is sent twice ends the log-in, and all tabs share one cookie: they take turns. */
  async #inTurn(work: () => Promise<boolean>): Promise<boolean> {
    const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
    return await (locks ? locks.request(LOCK, work) : work());
  }

  async #renew(): Promise<boolean> {
    let answer: Response;
    try {
      answer = await this.fetcher("/api/auth/refresh", {
        method: "POST",
        headers: { "X-Prompter-Refresh": "1" },
      });
    } catch {
      return false; // No server: the log-in may still be good.
    }
    if (answer.ok) {
      this.accept((await answer.json()) as LogIn);
      return true;
    }
    if (answer.status < 500 && answer.status !== 429) this.end();
    return false;
  }

  #move(state: SessionState): void {
    this.#state = state;
    this.#listeners.forEach((listener) => listener());
  }
}

export const session = new Session();
