/** Who is logged in: keeps the access token in memory, renews it by the cookie, and tells listeners. */
import { createUuid } from "../lib/uuid";
import type { LogIn } from "./types";

/**
 * `open`: the server asks for no log-in, or this is not known yet. `in`: a token is held. `out`: log-in
 * needed.
 */
export type AuthState = "open" | "in" | "out";

/**
 * A token with less time left than this is renewed first, so that no request starts with one that expires.
 */
const RENEW_MARGIN_MS = 30_000;
const LOCK = "prompter.refresh";
/** Local storage: when a renewal began that has not ended (ms since 1970), for the page after a reload. */
const RENEWAL_STARTED_KEY = "prompter.refresh.begun";
/** Local storage: the `Idempotency-Key` of a renewal without an answer. A repeat with it ends no log-in. */
const RENEWAL_ID_KEY = "prompter.refresh.key";
/** The answer to an abandoned renewal, with the cookie of the next token, has arrived after this time. */
const ABANDONED_RENEWAL_MS = 2000;
const CHANNEL = "prompter.session";

/** The part of a log-in that is kept. */
export type Tokens = Pick<LogIn, "access_token" | "expires_in"> & { user: Pick<LogIn["user"], "id"> };

/** Sent to the other tabs: the user who has logged in, or null after a log-out. */
interface AuthNews {
  userId: string | null;
}

/** Load the page again at its first address: nothing that one user had in memory remains for the next. */
export function reloadAtStart(): void {
  history.replaceState(null, "", "/");
  location.reload();
}

/** The channel between the tabs of this browser; null where the browser has none. */
export function openAuthChannel(): BroadcastChannel | null {
  return typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
}

export class AuthSession {
  #token: string | null = null;
  #expiresAtMs = 0;
  /** The user of this page, from the first log-in on. */
  #userId: string | null = null;
  #state: AuthState = "open";
  #renewal: Promise<boolean> | null = null;
  readonly #listeners = new Set<() => void>();
  readonly #logOutTasks = new Set<() => Promise<void>>();

  constructor(
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
    private readonly now: () => number = Date.now,
    /** Called when the page no longer belongs to its user. */
    readonly leavePage: () => void = reloadAtStart,
    private readonly otherTabs: BroadcastChannel | null = null,
  ) {
    if (otherTabs) otherTabs.onmessage = ({ data }: MessageEvent<AuthNews>) => this.#handleNews(data.userId);
  }

  get state(): AuthState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The token to send, renewed if it is about to expire; null where none is needed or none can be had. */
  async token(): Promise<string | null> {
    if (this.#state === "in" && this.#expiresAtMs - this.now() < RENEW_MARGIN_MS) await this.renew();
    return this.#token;
  }

  accept(tokens: Tokens): void {
    this.#token = tokens.access_token;
    this.#userId = tokens.user.id;
    this.#expiresAtMs = this.now() + tokens.expires_in * 1000;
    this.#setState("in");
  }

  end(): void {
    this.#token = null;
    this.#setState("out");
  }

  /** Accept a log-in made on this page, and tell the other tabs, which then need none of their own. */
  logIn(tokens: Tokens): void {
    this.accept(tokens);
    this.otherTabs?.postMessage({ userId: tokens.user.id } satisfies AuthNews);
  }

  /** End the session here and in the other tabs, and leave the page. */
  logOut(): void {
    this.end();
    this.otherTabs?.postMessage({ userId: null } satisfies AuthNews);
    this.leavePage();
  }

  /** Run `task` before each log-out, while requests are still allowed. Returns a function that removes it. */
  beforeLogOut(task: () => Promise<void>): () => void {
    this.#logOutTasks.add(task);
    return () => void this.#logOutTasks.delete(task);
  }

  /** Resolves when all tasks of `beforeLogOut` are done or have failed. */
  async prepareLogOut(): Promise<void> {
    await Promise.allSettled([...this.#logOutTasks].map((task) => task()));
  }

  /**
   * Renew by the cookie; false where that failed. One renewal at a time here, and by a lock among the tabs.
   */
  renew(): Promise<boolean> {
    this.#renewal ??= this.#withLock(() => this.#renew()).finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  /** All tabs share one cookie, and a refresh token that is sent twice ends the log-in: one tab at a time. */
  async #withLock(work: () => Promise<boolean>): Promise<boolean> {
    const locks = typeof navigator === "undefined" ? undefined : navigator.locks;
    return await (locks ? locks.request(LOCK, work) : work());
  }

  async #renew(): Promise<boolean> {
    await this.#waitForAbandonedRenewal();
    let answer: Response;
    try {
      writeRenewalStart(this.now());
      answer = await this.fetcher("/api/auth/refresh", {
        method: "POST",
        headers: { "X-Prompter-Refresh": "1", "Idempotency-Key": claimRenewalId() },
        keepalive: true, // a reload in between must not lose the cookie of the next token
      });
    } catch {
      return false; // No server, or the page is closing: the log-in may still be good.
    }
    writeRenewalStart(null);
    if (answer.status < 500) forgetRenewalId();
    if (answer.ok) return this.#acceptOwn((await answer.json()) as LogIn);
    if (answer.status < 500 && answer.status !== 429) this.end();
    return false;
  }

  /** A page that is reloaded drops its lock, but its request still brings the next token: wait for that. */
  async #waitForAbandonedRenewal(): Promise<void> {
    const passedMs = this.now() - readRenewalStart();
    if (passedMs < 0 || passedMs >= ABANDONED_RENEWAL_MS) return;
    await new Promise((resolve) => setTimeout(resolve, ABANDONED_RENEWAL_MS - passedMs));
  }

  /** The cookie belongs to the browser: another tab may have logged in another user. */
  #acceptOwn(tokens: Tokens): boolean {
    const isOwn = this.#userId === null || this.#userId === tokens.user.id;
    if (isOwn) this.accept(tokens);
    else this.#endAndLeave();
    return isOwn;
  }

  #handleNews(userId: string | null): void {
    if (userId !== null && (this.#userId === null || userId === this.#userId)) {
      if (this.#state === "out") void this.renew();
    } else if (this.#userId !== null) this.#endAndLeave();
  }

  #endAndLeave(): void {
    this.end();
    this.leavePage();
  }

  #setState(state: AuthState): void {
    this.#state = state;
    this.#listeners.forEach((listener) => listener());
  }
}

function readRenewalStart(): number {
  try {
    return Number(localStorage.getItem(RENEWAL_STARTED_KEY) ?? -Infinity);
  } catch {
    return -Infinity;
  }
}

function writeRenewalStart(nowMs: number | null): void {
  try {
    if (nowMs === null) localStorage.removeItem(RENEWAL_STARTED_KEY);
    else localStorage.setItem(RENEWAL_STARTED_KEY, String(nowMs));
  } catch {
    // Storage is forbidden: a reload during a renewal may then end the log-in.
  }
}

/** The key of the renewal that was not answered, or else a new one. */
function claimRenewalId(): string {
  const made = createUuid();
  try {
    const id = localStorage.getItem(RENEWAL_ID_KEY) ?? made;
    localStorage.setItem(RENEWAL_ID_KEY, id);
    return id;
  } catch {
    return made; // storage is forbidden: the browser's own repeat has the same key all the same
  }
}

function forgetRenewalId(): void {
  try {
    localStorage.removeItem(RENEWAL_ID_KEY);
  } catch {
    // Storage is forbidden: it holds nothing.
  }
}
