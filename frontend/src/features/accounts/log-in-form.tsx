/** Name and password. */
import { Eye, EyeOff } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import type { ApiError } from "@/shared/api/errors";

import { useLogIn } from "./use-me";

export function LogInForm() {
  const { t } = useTranslation();
  const logIn = useLogIn();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [seen, setSeen] = useState(false);
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
            type={seen ? "text" : "password"}
            autoComplete="current-password"
            required
            maxLength={4096}
            value={password}
            aria-describedby={logIn.error ? "log-in-error" : undefined}
            onChange={(event) => setPassword(event.target.value)}
          />
          <button
            type="button"
            className="absolute right-1 top-1 grid size-8 place-items-center rounded-md text-muted hover:text-ink"
            aria-label={t(seen ? "accounts.hidePassword" : "accounts.showPassword")}
            onClick={() => setSeen(!seen)}
          >
            {seen ? <EyeOff size={16} aria-hidden /> : <Eye size={16} aria-hidden />}
          </button>
        </div>
      </div>
      {logIn.error && <Refusal error={logIn.error} />}
      <button type="submit" className="button-brand min-h-10 w-full" disabled={logIn.isPending}>
        {t(logIn.isPending ? "accounts.starting" : "accounts.logIn")}
      </button>
    </form>
  );
}

function Refusal({ error }: { error: ApiError }) {
  const { t } = useTranslation();
  const text =
    error.code === "unauthorized"
      ? t("accounts.wrong")
      : error.code === "too_many_attempts"
        ? t("accounts.tooMany", { seconds: error.retryAfterS ?? 60 })
        : error.code === "unreachable"
          ? t("common.unreachable")
          : t("accounts.failed", { reason: error.message });
  return (
    <p id="log-in-error" role="alert" className="text-sm text-danger">
      {text}
    </p>
  );
}
