/** The user's API keys: the list, a form for a new one, and deletion. */
import { KeyRound, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { ApiKey } from "@/shared/api/types";
import { chooseLocale } from "@/shared/lib/formats";

import { useApiKeys, useDeleteKey } from "./api-keys";
import { NewKeyForm } from "./new-key-form";

export function KeysSection() {
  const { t } = useTranslation();
  const list = useApiKeys();
  const [isCreating, setCreating] = useState(false);
  return (
    <section aria-labelledby="keys-title" className="space-y-3">
      <div className="flex flex-wrap items-start justify-between gap-4">
        <div className="min-w-0 flex-1 basis-56">
          <h3 id="keys-title" className="text-sm font-semibold">
            {t("accounts.keys")}
          </h3>
          <p className="text-sm text-muted">{t("accounts.keysHint")}</p>
        </div>
        {!isCreating && (
          <button type="button" className="button shrink-0" onClick={() => setCreating(true)}>
            <KeyRound size={15} aria-hidden />
            {t("accounts.newKey")}
          </button>
        )}
      </div>
      {isCreating && <NewKeyForm onDone={() => setCreating(false)} />}
      {list.data?.length === 0 && !isCreating && <p className="text-sm text-muted">{t("accounts.noKeys")}</p>}
      <ul className="divide-y divide-line rounded-xl border border-line empty:hidden">
        {list.data?.map((key) => (
          <KeyRow key={key.id} apiKey={key} />
        ))}
      </ul>
    </section>
  );
}

function KeyRow({ apiKey }: { apiKey: ApiKey }) {
  const { t, i18n } = useTranslation();
  const remove = useDeleteKey();
  const [isSure, setSure] = useState(false);
  const formatDay = (when: string) => new Date(when).toLocaleDateString(chooseLocale(i18n.language));
  return (
    <li className="flex flex-wrap items-center gap-3 px-3 py-2 text-sm">
      <span className="min-w-0 flex-1 basis-40">
        <span className="block truncate font-medium">{apiKey.name}</span>
        <span className="block truncate text-xs text-muted">
          {`${apiKey.prefix}… · ${apiKey.scopes.join(", ")} · `}
          {apiKey.last_used_at === null
            ? t("accounts.neverUsed")
            : t("accounts.lastUsed", { when: formatDay(apiKey.last_used_at) })}
          {apiKey.expires_at !== null && ` · ${t("accounts.until", { when: formatDay(apiKey.expires_at) })}`}
        </span>
      </span>
      {isSure ? (
        <>
          <span className="text-xs text-muted">{t("accounts.endKeySure")}</span>
          <button type="button" className="button text-danger" onClick={() => remove.mutate(apiKey.id)}>
            {t("common.delete")}
          </button>
          <button type="button" className="button-quiet" onClick={() => setSure(false)}>
            {t("common.cancel")}
          </button>
        </>
      ) : (
        <button
          type="button"
          className="button-quiet"
          aria-label={t("accounts.endKey", { name: apiKey.name })}
          onClick={() => setSure(true)}
        >
          <Trash2 size={16} aria-hidden />
        </button>
      )}
    </li>
  );
}
