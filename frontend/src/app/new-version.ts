/** Offers a reload when the server has a newer build: the files of the old one are gone by then. */
import { useEffect } from "react";
import { useTranslation } from "react-i18next";

import { useServices } from "@/shared/services";

const ENTRY = /<script[^>]+src="(\/assets\/index-[^"]+)"/;

/** The build of a page: the name of its first script; null on the development server. */
export function findBuild(html: string): string | null {
  return ENTRY.exec(html)?.[1] ?? null;
}

/** Compares builds at most once in `everyMs`, and no more after a newer one was found. */
export class VersionCheck {
  #checkedMs = -Infinity;
  #isOld = false;

  constructor(
    private readonly ownBuild: string | null,
    private readonly onNewVersion: () => void,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
    private readonly now: () => number = Date.now,
    private readonly everyMs = 60_000,
  ) {}

  async check(): Promise<void> {
    if (this.ownBuild === null || this.#isOld || this.now() - this.#checkedMs < this.everyMs) return;
    this.#checkedMs = this.now();
    const served = await this.#fetchBuild();
    this.#isOld = served !== null && served !== this.ownBuild;
    if (this.#isOld) this.onNewVersion();
  }

  async #fetchBuild(): Promise<string | null> {
    try {
      const answer = await this.fetcher("/", { headers: { Accept: "text/html" } });
      return answer.ok ? findBuild(await answer.text()) : null;
    } catch {
      return null; // No server now: the next check asks again.
    }
  }
}

/** The notice stays for a day: the user reloads when it suits. */
const NOTICE_MS = 24 * 3600_000;

export function useNewVersion(): void {
  const { t } = useTranslation();
  const { toasts } = useServices();
  useEffect(() => {
    const version = new VersionCheck(findBuild(document.head.outerHTML), () =>
      toasts.show({
        text: t("common.newVersion"),
        tone: "info",
        action: { label: t("common.reload"), run: () => location.reload() },
        stayMs: NOTICE_MS,
      }),
    );
    const check = (): void => {
      if (!document.hidden) void version.check();
    };
    // Vite sends vite:preloadError when a part of the page cannot be loaded.
    const occasions = [
      [document, "visibilitychange"],
      [window, "focus"],
      [window, "online"],
      [window, "vite:preloadError"],
    ] as const;
    occasions.forEach(([target, event]) => target.addEventListener(event, check));
    return () => occasions.forEach(([target, event]) => target.removeEventListener(event, check));
  }, [t, toasts]);
}
