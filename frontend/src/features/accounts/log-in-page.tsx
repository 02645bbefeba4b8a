/** The page of a server with accounts before somebody has logged in. */
import { useTranslation } from "react-i18next";

import { Mark } from "@/shared/ui/brand";

import { LogInForm } from "./log-in-form";

export function LogInPage() {
  const { t } = useTranslation();
  return (
    <main className="grid min-h-full place-items-center p-4">
      <div className="w-full max-w-sm rounded-2xl border border-line bg-surface p-6 shadow-xl sm:p-8">
        <div className="mb-6 flex flex-col items-center gap-3 text-center">
          <Mark className="size-12" />
          <h1 className="text-xl font-semibold tracking-tight">{t("accounts.logInTitle")}</h1>
        </div>
        <LogInForm />
        <p className="mt-6 text-center text-sm text-muted">{t("accounts.noAccount")}</p>
      </div>
    </main>
  );
}
