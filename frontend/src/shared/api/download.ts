/** Downloads files of the server: they need the token, which a plain link does not send. */
import type { ApiClient } from "./client";

/** @throws ApiError */
export async function download(
  api: Pick<ApiClient, "response">,
  path: string,
  fallbackName: string,
  signal?: AbortSignal,
): Promise<void> {
  const response = await api.response(path, signal ? { signal } : {});
  const name = parseFileName(response.headers.get("Content-Disposition")) ?? fallbackName;
  saveFile(await response.blob(), name);
}

/** Give a file to the browser, which keeps it as it keeps downloads. */
export function saveFile(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // Safari reads the blob after the click
}

/** The name in `attachment; filename="x.md"; filename*=UTF-8''x.md`. The encoded one is preferred. */
export function parseFileName(disposition: string | null): string | null {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? "")?.[1];
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded);
    } catch {
      // The encoding is broken: take the plain name.
    }
  }
  return /filename="((?:[^"\\]|\\.)*)"/i.exec(disposition ?? "")?.[1]?.replace(/\\(.)/g, "$1") ?? null;
}
