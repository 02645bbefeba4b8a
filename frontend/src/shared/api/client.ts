/** The one way to the server over HTTP: adds the token, renews it once on 401, and turns refusals into ApiError. */
import { ApiError, refusalOf } from "./errors";
import { type Session, session as theSession } from "./session";

export interface Ask {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export class ApiClient {
  constructor(
    private readonly session: Session = theSession,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
  ) {}

  /** A JSON answer. The caller names its type, one of ./types. */
  async json<T>(path: string, ask: Ask = {}): Promise<T> {
    return (await (await this.response(path, ask)).json()) as T;
  }

  /** An answer with a good status, its body unread: for streams, files and headers.
   *
   * @throws ApiError for a refusal, or with the code `unreachable`; an abort is thrown as it is. */
  async response(path: string, ask: Ask = {}): Promise<Response> {
    const token = await this.session.token();
    let answer = await this.#send(path, ask, token);
    if (answer.status === 401 && (await this.#renewed(token))) {
      answer = await this.#send(path, ask, await this.session.token());
    }
    if (!answer.ok) throw await refusalOf(answer);
    return answer;
  }

  /** Whether another try makes sense: another request may have renewed the token meanwhile. */
  async #renewed(refused: string | null): Promise<boolean> {
    const token = await this.session.token();
    return (token !== null && token !== refused) || this.session.renew();
  }

  async #send(path: string, ask: Ask, token: string | null): Promise<Response> {
    const headers: Record<string, string> = { ...ask.headers };
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    if (ask.body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await this.fetcher(path, {
        method: ask.method ?? "GET",
        headers,
        ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
        ...(ask.signal ? { signal: ask.signal } : {}),
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new ApiError("unreachable", "the server does not answer", 0);
    }
  }
}

export const api = new ApiClient();
