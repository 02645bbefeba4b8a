/** Creates an API key, and shows its secret the one time that it can be seen. */
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import { wordError } from "@/shared/lib/notes";
import { Select } from "@/shared/ui/fields";

import { type KeyScope, useCreateKey } from "./api-keys";

const SCOPES = { stt: "accounts.scopeStt", llm: "accounts.scopeLlm", chat: "accounts.scopeChat" } as const;
const LIFETIMES_DAYS = [30, 90, 365] as const;

export function NewKeyForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const create = useCreateKey();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<KeyScope[]>(["stt", "llm"]);
  const [days, setDays] = useState<number | null>(90);
  if (create.data !== undefined) return <CreatedKey secret={create.data.key} onDone={onDone} />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate({ name: name.trim(), scopes, expires_days: days });
  };
  return (
    <form
      onSubmit={submit}
      data-unsaved={name.trim() !== ""}
      className="space-y-3 rounded-xl border border-line p-4 text-sm"
    >
      <label className="block space-y-1.5">
        <span>{t("accounts.keyName")}</span>
        <input
          className="field"
          autoFocus
          required
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <ScopeFields scopes={scopes} onChange={setScopes} />
      <LifetimeField days={days} onChange={setDays} />
      {create.error && (
        <p role="alert" className="text-danger">
          {wordError(t, create.error)}
        </p>
      )}
      <div className="flex justify-end gap-2">
        <button type="button" className="button" onClick={onDone}>
          {t("common.cancel")}
        </button>
        <button
          type="submit"
          className="button-brand"
          disabled={create.isPending || scopes.length === 0 || name.trim() === ""}
        >
          {t("accounts.makeKey")}
        </button>
      </div>
    </form>
  );
}

interface ScopeFieldsProps {
  scopes: readonly KeyScope[];
  onChange: (scopes: KeyScope[]) => void;
}

function ScopeFields({ scopes, onChange }: ScopeFieldsProps) {
  const { t } = useTranslation();
  return (
    <fieldset className="flex flex-wrap gap-x-5 gap-y-2">
      <legend className="mb-1.5">{t("accounts.keyScopes")}</legend>
      {(Object.keys(SCOPES) as KeyScope[]).map((scope) => (
        <label key={scope} className="flex min-h-target items-center gap-2">
          <input
            type="checkbox"
            className="size-4 accent-indigo-500"
            checked={scopes.includes(scope)}
            onChange={(event) =>
              onChange(
                event.target.checked ? [...scopes, scope] : scopes.filter((chosen) => chosen !== scope),
              )
            }
          />
          {t(SCOPES[scope])}
        </label>
      ))}
    </fieldset>
  );
}

interface LifetimeFieldProps {
  /** Null: the key does not expire. */
  days: number | null;
  onChange: (days: number | null) => void;
}

function LifetimeField({ days, onChange }: LifetimeFieldProps) {
  const { t } = useTranslation();
  return (
    <label className="block space-y-1.5">
      <span>{t("accounts.expires")}</span>
      <Select
        value={days ?? ""}
        onChange={(event) => onChange(event.target.value === "" ? null : Number(event.target.value))}
      >
        {LIFETIMES_DAYS.map((count) => (
          <option key={count} value={count}>
            {t("accounts.days", { count })}
          </option>
        ))}
        <option value="">{t("accounts.never")}</option>
      </Select>
    </label>
  );
}

function CreatedKey({ secret, onDone }: { secret: string; onDone: () => void }) {
  const { t } = useTranslation();
  const [isCopied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard.writeText(secret).then(() => setCopied(true));
  return (
    <div role="status" data-unsaved className="space-y-3 rounded-xl border border-accent/60 p-4 text-sm">
      <p>{t("accounts.keyShownOnce")}</p>
      <code className="block select-all break-all rounded-lg bg-page p-3 text-xs">{secret}</code>
      <div className="flex justify-end gap-2">
        <button type="button" className="button" onClick={copy}>
          {t(isCopied ? "common.copied" : "common.copy")}
        </button>
        <button type="button" className="button-brand" onClick={onDone}>
          {t("common.close")}
        </button>
      </div>
    </div>
  );
}
