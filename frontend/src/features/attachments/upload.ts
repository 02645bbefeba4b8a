/** Sends one file as a form, and tells how much of it is on its way: `fetch` cannot tell that. */
import { ApiError, readRefusal } from "@/shared/api/client";
import type { AuthSession } from "@/shared/api/session";

/** A line on which nothing moves for so long is taken for lost. */
const SILENCE_MS = 60_000;

export interface Upload {
  path: string;
  form: FormData;
  headers?: Record<string, string>;
  signal: AbortSignal;
  /** How much has been sent, from 0 to 1. */
  onPart: (part: number) => void;
  /** Called with all of the answer that has come, while more of it comes. */
  onAnswer?: (text: string) => void;
}

/**
 * Send a form and resolve to the text of the answer.
 *
 * @throws ApiError for a refusal, or with the code `unreachable`; the reason of the signal after an abort
 */
export async function sendForm(
  session: Pick<AuthSession, "token" | "renew">,
  upload: Upload,
): Promise<string> {
  const token = await session.token();
  try {
    return await sendOnce(upload, token);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    const other = await session.token();
    if ((other === null || other === token) && !(await session.renew())) throw error;
    return sendOnce(upload, await session.token());
  }
}

function sendOnce(upload: Upload, token: string | null): Promise<string> {
  const { path, form, headers = {}, signal, onPart, onAnswer } = upload;
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const watch = watchSilence(() => request.abort());
    const stop = (): void => request.abort();
    const end = (settle: () => void): void => {
      watch.end();
      signal.removeEventListener("abort", stop);
      settle();
    };
    const lose = (): void =>
      end(() => reject(signal.aborted ? (signal.reason as Error) : ApiError.unreachable()));
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      watch.touch();
      onPart(total > 0 ? loaded / total : 0);
    });
    request.addEventListener("progress", () => {
      watch.touch();
      if (request.status === 200) onAnswer?.(request.responseText);
    });
    request.addEventListener("error", lose);
    request.addEventListener("abort", lose);
    request.addEventListener("load", () =>
      end(() => {
        if (request.status >= 200 && request.status < 300) resolve(request.responseText);
        else void readRefusal(toResponse(request)).then(reject, reject);
      }),
    );
    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener("abort", stop);
    request.open("POST", path);
    if (token !== null) request.setRequestHeader("Authorization", `Bearer ${token}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.send(form);
  });
}

function toResponse(request: XMLHttpRequest): Response {
  const wait = request.getResponseHeader("Retry-After");
  const headers = wait === null ? undefined : { "Retry-After": wait };
  return new Response(request.responseText, { status: request.status, ...(headers ? { headers } : {}) });
}

/** Calls a function after a silence that nothing has touched. */
function watchSilence(call: () => void): { touch: () => void; end: () => void } {
  let timer = setTimeout(call, SILENCE_MS);
  return {
    touch: () => {
      clearTimeout(timer);
      timer = setTimeout(call, SILENCE_MS);
    },
    end: () => clearTimeout(timer),
  };
}
