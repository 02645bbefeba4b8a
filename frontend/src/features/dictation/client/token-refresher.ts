/** Gives a socket its token, and the next one before that expires. */

/** How often the token is checked. */
const TOKEN_CHECK_MS = 20_000;

/** The part of an AuthSession that a dictation needs. */
export interface Credentials {
  token: () => Promise<string | null>;
  renew: () => Promise<boolean>;
}

export class TokenRefresher {
  #sentToken: string | null = null;
  #hasRenewed = false;
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param onToken called with every token after the first */
  constructor(
    private readonly credentials: Credentials,
    private readonly onToken: (token: string) => void,
  ) {
    this.#timer = setInterval(() => void this.#check(), TOKEN_CHECK_MS);
  }

  /** The token to open a socket with; null where none is needed. */
  async first(): Promise<string | null> {
    this.#sentToken = await this.credentials.token();
    return this.#sentToken;
  }

  /**
   * After a refusal: renew the token once, until one was accepted. Resolves to whether another try makes
   * sense.
   */
  async renewOnce(): Promise<boolean> {
    if (this.#hasRenewed) return false;
    this.#hasRenewed = true;
    return await this.credentials.renew();
  }

  confirm(): void {
    this.#hasRenewed = false;
  }

  dispose(): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    const token = await this.credentials.token();
    if (token === null || token === this.#sentToken) return;
    this.#sentToken = token;
    this.onToken(token);
  }
}
