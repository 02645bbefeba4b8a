/** What goes wrong between page and server, in one shape. */

/** A refusal of the server, or `unreachable` when there was no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly requestId: string | null = null,
    /** Seconds to wait before the next try, where the server said so. */
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Read a refusal; a proxy's page or an empty body still becomes an error that can be shown. */
export async function refusalOf(response: Response): Promise<ApiError> {
  let told: { code?: unknown; message?: unknown; request_id?: unknown } = {};
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "error" in body && typeof body.error === "object") {
      told = body.error ?? {};
    }
  } catch {
    // No JSON: the status has to do.
  }
  const wait = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return new ApiError(
    typeof told.code === "string" ? told.code : "http_error",
    typeof told.message === "string" ? told.message : `the server answered ${response.status}`,
    response.status,
    typeof told.request_id === "string" ? told.request_id : null,
    Number.isFinite(wait) ? wait : null,
  );
}
