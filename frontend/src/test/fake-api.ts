/** For tests: an HTTP server behind `fetch` that answers by method and path, and records its requests. */

export interface RecordedRequest {
  method: string;
  path: string;
  headers: Headers;
  body: unknown;
}

type Answer = (request: RecordedRequest) => Response | Promise<Response>;

export class FakeApi {
  readonly requests: RecordedRequest[] = [];
  readonly #answers = new Map<string, Answer>();

  /** `route`: "GET /api/…", without the query. */
  on(route: string, answer: Answer): this {
    this.#answers.set(route, answer);
    return this;
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const path = input instanceof Request ? input.url : input.toString();
    const method = init?.method ?? "GET";
    const body: unknown = typeof init?.body === "string" ? JSON.parse(init.body) : null;
    const request = { method, path, headers: new Headers(init?.headers), body };
    this.requests.push(request);
    const answer = this.#answers.get(`${method} ${path.split("?")[0]}`);
    if (answer === undefined) throw new TypeError(`there is no answer to ${method} ${path}`);
    return answer(request);
  };

  /** The routes that were requested so far, in order. */
  get routes(): string[] {
    return this.requests.map(({ method, path }) => `${method} ${path}`);
  }
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json", ...headers },
  });
}

export function refusal(status: number, code: string, headers: Record<string, string> = {}): Response {
  return json({ error: { code, message: `it is ${code}`, request_id: "r1" } }, status, headers);
}
