/** Offers to load the page anew when the server has a newer one: when somebody comes back to it, or a part is missing. */
import { useEffect } from "react";
import { useTranslation } from "react-i18next";

import { toasts } from "@/shared/ui/toasts";

import { buildOf, NewVersion } from "./new-version";

/** Long enough to finish a sentence first: what is being written is its reader's to send. */
const STAY_MS = 24 * 3600_000;

export function useNewVersion(): void {
  const { t } = useTranslation();
  useEffect(() => {
    const version = new NewVersion(buildOf(document.head.outerHTML), () =>
      toasts.show({
        text: t("common.newVersion"),
        tone: "info",
        action: { label: t("common.reload"), run: () => location.reload() },
        stayMs: STAY_MS,
      }),
    );
    const ask = (): void => {
      if (!document.hidden) void version.ask();
    };
    // The last one comes from Vite: a part of the page could not be loaded.
    const occasions = [
      [document, "visibilitychange"],
      [window, "focus"],
      [window, "online"],
      [window, "vite:preloadError"],
    ] as const;
    occasions.forEach(([where, what]) => where.addEventListener(what, ask));
    return () => occasions.forEach(([where, what]) => where.removeEventListener(what, ask));
  }, [t]);
}
