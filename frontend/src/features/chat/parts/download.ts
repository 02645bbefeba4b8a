/** Files of the server, which need the token that a plain link would not carry. */
import { api } from "@/shared/api/client";

/** Asks for a file and hands it to the browser to keep. @throws ApiError */
export async function download(path: string, fallbackName: string): Promise<void> {
  const response = await api.response(path);
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = fileNameOf(response.headers.get("Content-Disposition")) ?? fallbackName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // Safari reads it after the click
}

/** The name in `attachment; filename="x.md"; filename*=UTF-8''x.md`: the second where both are there. */
export function fileNameOf(disposition: string | null): string | null {
  const wide = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? "")?.[1];
  if (wide !== undefined) {
    try {
      return decodeURIComponent(wide);
    } catch {
      // Not what it says it is: the plain name has to do.
    }
  }
  return /filename="((?:[^"\\]|\\.)*)"/i.exec(disposition ?? "")?.[1]?.replace(/\\(.)/g, "$1") ?? null;
}
