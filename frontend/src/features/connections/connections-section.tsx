/** In the settings: the models that the user has connected, and a form for another one. */
import { Plug, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Connection } from "@/shared/api/types";
import { nameModel } from "@/shared/lib/model-names";
import { useSettings } from "@/shared/services";
import { EmptyState } from "@/shared/ui/empty-state";
import { Switch } from "@/shared/ui/fields";

import { useConnecting } from "./connect-button";
import { useChangeConnection, useConnections, useDisconnect, useStoredTrial } from "./connections";
import { findPreset, formatSeconds, modelId } from "./presets";
import { ProblemText } from "./problem-text";

interface Props {
  /** Whether others use this server, and this user may share with them. */
  canShare: boolean;
}

export function ConnectionsSection({ canShare }: Props) {
  const { t } = useTranslation();
  const { data, isPending } = useConnections();
  const { button, dialog } = useConnecting("button-brand");
  return (
    <div className="space-y-3">
      {data?.length === 0 && (
        <EmptyState Icon={Plug} title={t("connect.none")} text={t("connect.lead")}>
          {button}
        </EmptyState>
      )}
      {data !== undefined && data.length > 0 && (
        <ul aria-label={t("connect.mine")} className="divide-y divide-line rounded-xl border border-line">
          {data.map((connection) => (
            <ConnectionItem key={connection.id} connection={connection} canShare={canShare} />
          ))}
        </ul>
      )}
      {/* Not before the list: it would move under the pointer, and a press would be lost. */}
      {!isPending && data?.length !== 0 && button}
      {dialog}
    </div>
  );
}

function ConnectionItem({ connection, canShare }: { connection: Connection; canShare: boolean }) {
  const { t, i18n } = useTranslation();
  const [settings, changeSettings] = useSettings();
  const trial = useStoredTrial(connection.id);
  const change = useChangeConnection(connection.id);
  const [isKeyOpen, setKeyOpen] = useState(connection.needs_key);
  const { name, title, base_url: baseUrl, key_hint: hint, has_key: hasKey } = connection;
  const disconnect = useDisconnect(connection.id, () => {
    if (settings.chatModel === name || settings.chatModel.startsWith(`${name}/`))
      changeSettings({ chatModel: "" });
  });
  const [asksRemoval, setAsksRemoval] = useState(false);
  const remove = (): void => disconnect.mutate(undefined, { onError: () => setAsksRemoval(false) });
  return (
    <li className="space-y-2 px-4 py-3 text-sm">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-medium">{title}</span>
        <span className="min-w-0 break-all text-xs text-muted">{baseUrl}</span>
      </div>
      <p className="text-muted">
        {connection.needs_key
          ? t("connect.needsKey")
          : hasKey
            ? hint
              ? t("connect.hasKey", { hint })
              : t("connect.hasSomeKey")
            : t("connect.noKey")}
      </p>
      {trial.data?.ok && (
        <p role="status">
          {t("connect.answered", {
            name: title,
            model: nameModel(trial.data.model),
            seconds: formatSeconds(trial.data.first_token_ms ?? 0, i18n.language),
          })}
        </p>
      )}
      <ProblemText
        problem={trial.data?.problem ?? null}
        error={trial.error ?? change.error ?? disconnect.error}
        preset={findPreset(connection.vendor)}
        baseUrl={baseUrl}
      />
      {isKeyOpen && (
        <NewKey
          isBusy={change.isPending}
          onKey={(key) =>
            change.mutate(
              { api_key: key },
              {
                onSuccess: () => {
                  change.reset(); // the page forgets the key
                  setKeyOpen(false);
                },
              },
            )
          }
        />
      )}
      {canShare && (
        <Switch
          label={t("connect.share")}
          hint={t("connect.shareHint")}
          checked={connection.shared}
          onChange={(shared) => change.mutate({ shared })}
        />
      )}
      <div className="flex flex-wrap gap-2">
        <button
          type="button"
          className="button min-h-11"
          onClick={() => changeSettings({ chatModel: modelId(connection) })}
          disabled={settings.chatModel === modelId(connection)}
        >
          {t(settings.chatModel === modelId(connection) ? "connect.used" : "connect.useIt")}
        </button>
        <button
          type="button"
          className="button min-h-11"
          disabled={trial.isPending}
          onClick={() => trial.mutate()}
        >
          {t(trial.isPending ? "connect.trying" : "connect.test")}
        </button>
        <button
          type="button"
          className="button min-h-11"
          aria-expanded={isKeyOpen}
          onClick={() => setKeyOpen(!isKeyOpen)}
        >
          {t("connect.replaceKey")}
        </button>
        {!asksRemoval && (
          <button
            type="button"
            className="button min-h-11 text-danger"
            aria-label={t("connect.removeName", { name: title })}
            onClick={() => setAsksRemoval(true)}
          >
            <Trash2 size={15} aria-hidden />
            {t("connect.remove")}
          </button>
        )}
      </div>
      {asksRemoval && (
        <div
          role="group"
          aria-label={t("connect.removeName", { name: title })}
          className="flex flex-wrap items-center gap-2"
        >
          <p className="min-w-0 break-words">
            {t(connection.shared ? "connect.removeAskShared" : "connect.removeAsk", { name: title })}
          </p>
          <button
            type="button"
            className="button min-h-11 text-danger"
            disabled={disconnect.isPending}
            onClick={remove}
          >
            {t("connect.remove")}
          </button>
          <button
            type="button"
            autoFocus
            className="button-quiet min-h-11"
            onClick={() => setAsksRemoval(false)}
          >
            {t("connect.keep")}
          </button>
        </div>
      )}
    </li>
  );
}

function NewKey({ isBusy, onKey }: { isBusy: boolean; onKey: (key: string) => void }) {
  const { t } = useTranslation();
  const [key, setKey] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onKey(key); // it stays in the field until it is stored
  };
  return (
    <form onSubmit={submit} data-unsaved={key !== ""} className="flex flex-wrap items-end gap-2">
      <label className="block min-w-0 flex-1 basis-56 space-y-1.5">
        <span>{t("connect.newKey")}</span>
        <input
          className="field min-h-11"
          type="password"
          autoComplete="off"
          data-1p-ignore
          data-lpignore="true"
          maxLength={1000}
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
      </label>
      <button type="submit" className="button-brand min-h-11" disabled={isBusy || key.trim() === ""}>
        {t("connect.saveKey")}
      </button>
    </form>
  );
}
