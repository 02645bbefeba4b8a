/** Actions of buttons that ask the server: a refusal is told, and nothing else happens. */
import { useTranslation } from "react-i18next";

import { ApiError } from "@/shared/api/client";
import { wordError } from "@/shared/lib/notes";
import { useServices } from "@/shared/services";

export function useAttempt(): (act: () => Promise<void>) => () => void {
  const { t } = useTranslation();
  const { toasts } = useServices();
  return (act) => () =>
    void act().catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      toasts.show({ text: wordError(t, error), tone: "error" });
    });
}
