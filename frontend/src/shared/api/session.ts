/** Who is logged in: holds the access token in memory only, renews it by the cookie, tells whoever listens. */
import { freshPage } from "@/shared/lib/fresh-page";

import type { LogIn } from "./types";

/** `open`: the server asks nobody, or not known yet. `in`: a token is held. `out`: somebody has to log in. */
export type SessionState = "open" | "in" | "out";

/** Renew when less than this is left, so that no request and no socket starts with a dying token. */
const MARGIN_MS = 30_000;
const LOCK = "prompter.refresh";
/** When a renewal began that has not ended (ms since 1970), for the page that comes after a page that went in its midst. */
const BEGUN = "prompter.refresh.begun";
/** By then the answer to a page that has gone is there, with the next token's cookie. */
const SETTLED_MS = 2000;
const CHANNEL = "prompter.session";

/** What is kept of a log-in. */
export type Tokens = Pick<LogIn, "access_token" | "expires_in"> & { user: Pick<LogIn["user"], "id"> };
/** Told to the browser's other pages: who has logged in, or null for a log-out. */
export interface SessionNews {
  userId: string | null;
}

export class Session {
  #token: string | null = null;
  #expiresAtMs = 0;
  /** Whose page this is, from the first log-in on. */
  #userId: string | null = null;
  #state: SessionState = "open";
  #renewing: Promise<boolean> | null = null;
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
    private readonly now: () => number = Date.now,
    /** The page is no longer its user's: nothing of it may be seen, and nothing be done in another's name. */
    private readonly leave: () => void = freshPage,
    private readonly others: BroadcastChannel | null = null,
  ) {
    if (others) others.onmessage = ({ data }: MessageEvent<SessionNews>) => this.#heard(data.userId);
  }

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

  accept(tokens: Tokens): void {
    this.#token = tokens.access_token;
    this.#userId = tokens.user.id;
    this.#expiresAtMs = this.now() + tokens.expires_in * 1000;
    this.#move("in");
  }

  end(): void {
    this.#token = null;
    this.#move("out");
  }

  /** Somebody has logged in here: pages that wait for a log-in need no second one. */
  loggedIn(tokens: Tokens): void {
    this.accept(tokens);
    this.others?.postMessage({ userId: tokens.user.id } satisfies SessionNews);
  }

  /** Logged out by whom it belongs to: over here and in the browser's other pages. */
  loggedOut(): void {
    this.end();
    this.others?.postMessage({ userId: null } satisfies SessionNews);
    this.leave();
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
    await this.#settled();
    let answer: Response;
    try {
      remember(this.now());
      answer = await this.fetcher("/api/auth/refresh", {
        method: "POST",
        headers: { "X-Prompter-Refresh": "1" },
        keepalive: true, // a page that is reloaded meanwhile must not lose the next token's cookie
      });
    } catch {
      return false; // No server, or the page goes: the log-in may still be good.
    }
    remember(null);
    if (answer.ok) {
      return this.#isOurs((await answer.json()) as LogIn);
    }
    if (answer.status < 500 && answer.status !== 429) this.end();
    return false;
  }

  /** Its lock goes with a page that is reloaded, its request does not: what it asked for is on its way. */
  async #settled(): Promise<void> {
    const passedMs = this.now() - begunMs();
    if (passedMs >= 0 && passedMs < SETTLED_MS)
      await new Promise((on) => setTimeout(on, SETTLED_MS - passedMs));
  }

  /** The cookie is the browser's: another page may have changed whose it is. */
  #isOurs(tokens: Tokens): boolean {
    const ours = this.#userId === null || this.#userId === tokens.user.id;
    if (ours) this.accept(tokens);
    else this.#goAway();
    return ours;
  }

  #heard(userId: string | null): void {
    if (userId !== null && (this.#userId === null || userId === this.#userId)) {
      if (this.#state === "out") void this.renew();
    } else if (this.#userId !== null) this.#goAway();
  }

  #goAway(): void {
    this.end();
    this.leave();
  }

  #move(state: SessionState): void {
    this.#state = state;
    this.#listeners.forEach((listener) => listener());
  }
}

function begunMs(): number {
  try {
    return Number(localStorage.getItem(BEGUN) ?? -Infinity);
  } catch {
    return -Infinity;
  }
}

function remember(nowMs: number | null): void {
  try {
    if (nowMs === null) localStorage.removeItem(BEGUN);
    else localStorage.setItem(BEGUN, String(nowMs));
  } catch {
    // A forbidden store: then a reload in mid-renewal may end the log-in.
  }
}

export const session = new Session(
  undefined,
  undefined,
  undefined,
  typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL),
);
