/** The token that a socket was opened with, and the next one before it runs out. */

/** A token is looked at this often: before one runs out the socket gets the next. */
const CHECK_MS = 20_000;

/** Who speaks: as `session` of shared/api. */
export interface Credentials {
  token: () => Promise<string | null>;
  renew: () => Promise<boolean>;
}

export class TokenKeeper {
  #shown: string | null = null;
  #hasRenewed = false;
  readonly #timer: ReturnType<typeof setInterval>;

  /** `show` gets every token that follows the first. */
  constructor(
    private readonly credentials: Credentials,
    private readonly show: (token: string) => void,
  ) {
    this.#timer = setInterval(() => void this.#check(), CHECK_MS);
  }

  /** The token to open a socket with; null where none is needed. */
  async first(): Promise<string | null> {
    this.#shown = await this.credentials.token();
    return this.#shown;
  }

  /** After a refusal: whether there is another token to try. Once, until one was `accepted`. */
  async another(): Promise<boolean> {
    if (this.#hasRenewed) return false;
    this.#hasRenewed = true;
    return await this.credentials.renew();
  }

  accepted(): void {
    this.#hasRenewed = false;
  }

  dispose(): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    const token = await this.credentials.token();
    if (token === null || token === this.#shown) return;
    this.#shown = token;
    this.show(token);
  }
}
