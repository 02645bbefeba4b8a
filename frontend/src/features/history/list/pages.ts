/** Lists of the server that come in pages: each page, and the address of the next from its Link header. */
import { api, type ApiClient } from "@/shared/api/client";

export interface Page<T> {
  items: T[];
  /** Path of the next page; null after the last. */
  next: string | null;
}

export async function page<T>(path: string, signal?: AbortSignal, client: ApiClient = api): Promise<Page<T>> {
  const answer = await client.response(path, signal ? { signal } : {});
  return { items: (await answer.json()) as T[], next: nextOf(answer.headers.get("Link")) };
}

/** The address in `</api/…>; rel="next"`. */
export function nextOf(link: string | null): string | null {
  return /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1] ?? null;
}
