/** HTTP requests to the server: adds the token, renews it once on 401, turns refusals into ApiError. */
import { isNote, type Note } from "../lib/notes";
import { createUuid } from "../lib/uuid";
import type { AuthSession } from "./session";

export interface RequestOptions {
  method?: "GET" | "POST" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as a form, in place of a body. */
  form?: FormData;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** It makes something: one thing, however often it arrives, also when the user tries again. */
  makes?: boolean;
}

export class ApiClient {
  /** The keys of requests without an answer, by path and body: the same again is the same request. */
  readonly #unanswered = new Map<string, string>();

  constructor(
    private readonly session: AuthSession,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
  ) {}

  /** Request JSON. The caller names its type, one of ./types. */
  async json<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return (await (await this.response(path, options)).json()) as T;
  }

  /**
   * Request a stream, a file or headers: the body of the response is unread.
   *
   * @throws ApiError for a refusal, or with the code `unreachable`; an abort is thrown as it is.
   */
  async response(path: string, options: RequestOptions = {}): Promise<Response> {
    if (!options.makes) return this.#request(path, options);
    const request = `${path} ${JSON.stringify(options.body)}`;
    const key = this.#unanswered.get(request) ?? createUuid();
    this.#unanswered.set(request, key);
    const headers = { ...options.headers, "Idempotency-Key": key };
    try {
      const answer = await this.#request(path, { ...options, headers });
      this.#unanswered.delete(request);
      return answer;
    } catch (error) {
      if (error instanceof ApiError && !error.isUncertain) this.#unanswered.delete(request);
      throw error;
    }
  }

  async #request(path: string, options: RequestOptions): Promise<Response> {
    const token = await this.session.token();
    let answer = await this.#send(path, options, token);
    if (answer.status === 401 && (await this.#renewToken(token))) {
      answer = await this.#send(path, options, await this.session.token());
    }
    if (!answer.ok) throw await readRefusal(answer);
    return answer;
  }

  /** Whether another try makes sense: another request may have renewed the token in the meantime. */
  async #renewToken(refused: string | null): Promise<boolean> {
    const token = await this.session.token();
    return (token !== null && token !== refused) || this.session.renew();
  }

  async #send(path: string, options: RequestOptions, token: string | null): Promise<Response> {
    const headers: Record<string, string> = { ...options.headers };
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    if (options.body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await this.fetcher(path, {
        method: options.method ?? "GET",
        headers,
        ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
        ...(options.form === undefined ? {} : { body: options.form }),
        ...(options.signal ? { signal: options.signal } : {}),
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw ApiError.unreachable();
    }
  }
}

/** `http_error`: a proxy whose server is away; `internal_error`: a fault, maybe after storing. */
const UNCERTAIN_CODES = new Set(["http_error", "internal_error"]);

/** A refusal of the server, or `unreachable` when there was no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly requestId: string | null = null,
    /** Seconds to wait before the next try, where the server said so. */
    readonly retryAfterS: number | null = null,
    /** What to say of it in the page's language; older servers send none. */
    readonly note: Note | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** Whether the request may have been carried out: no answer, or one that is not the server's word. */
  get isUncertain(): boolean {
    return this.status === 0 || (this.status >= 500 && UNCERTAIN_CODES.has(this.code));
  }

  /** There was no response at all. */
  static unreachable(): ApiError {
    return new ApiError("unreachable", "the server does not answer", 0);
  }
}

/** Read a refusal. The page of a proxy or an empty body becomes an error that can be shown, too. */
export async function readRefusal(response: Response): Promise<ApiError> {
  let refusal: { code?: unknown; message?: unknown; note?: unknown; request_id?: unknown } = {};
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "error" in body && typeof body.error === "object") {
      refusal = body.error ?? {};
    }
  } catch {
    // No JSON: the status alone describes the error.
  }
  const wait = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new ApiError(
    typeof refusal.code === "string" ? refusal.code : "http_error",
    typeof refusal.message === "string" ? refusal.message : `the server answered ${response.status}`,
    response.status,
    typeof refusal.request_id === "string" ? refusal.request_id : null,
    Number.isFinite(wait) ? wait : null,
    isNote(refusal.note) ? refusal.note : null,
  );
}
