/** Logging in by name and password: the form, and the page around it before the first log-in. */
import { Eye, EyeOff } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import type { ApiError } from "@/shared/api/client";
import { wordError } from "@/shared/lib/notes";
import { Mark } from "@/shared/ui/brand";

import { useLogIn } from "./use-me";

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

export function LogInForm() {
  const { t } = useTranslation();
  const logIn = useLogIn();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [isPasswordShown, setPasswordShown] = useState(false);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    logIn.mutate({ name: name.trim(), password });
  };
  return (
    <form onSubmit={submit} className="space-y-4" aria-label={t("accounts.logIn")}>
      <label className="block space-y-1.5 text-sm font-medium">
        <span>{t("accounts.name")}</span>
        <input
          className="field"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
          maxLength={200}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <div className="space-y-1.5 text-sm font-medium">
        <label htmlFor="password">{t("accounts.password")}</label>
        <div className="relative">
          <input
            id="password"
            className="field pr-11"
            name="password"
            type={isPasswordShown ? "text" : "password"}
            autoComplete="current-password"
            required
            maxLength={4096}
            value={password}
            aria-describedby={logIn.error ? "log-in-error" : undefined}
            onChange={(event) => setPassword(event.target.value)}
          />
          <button
            type="button"
            className="absolute inset-y-0 right-0 grid w-target place-items-center rounded-md text-muted hover:text-ink"
            aria-label={t(isPasswordShown ? "accounts.hidePassword" : "accounts.showPassword")}
            onClick={() => setPasswordShown(!isPasswordShown)}
          >
            {isPasswordShown ? <EyeOff size={16} aria-hidden /> : <Eye size={16} aria-hidden />}
          </button>
        </div>
      </div>
      {logIn.error && <LogInError error={logIn.error} />}
      <button type="submit" className="button-brand min-h-10 w-full" disabled={logIn.isPending}>
        {t(logIn.isPending ? "accounts.starting" : "accounts.logIn")}
      </button>
    </form>
  );
}

function LogInError({ error }: { error: ApiError }) {
  const { t } = useTranslation();
  const known: Record<string, string> = {
    unauthorized: t("accounts.wrong"),
    too_many_attempts: t("accounts.tooMany", { seconds: error.retryAfterS ?? 60 }),
    unreachable: t("common.unreachable"),
  };
  return (
    <p id="log-in-error" role="alert" className="text-sm text-danger">
      {known[error.code] ?? t("accounts.failed", { reason: wordError(t, error) })}
    </p>
  );
}
