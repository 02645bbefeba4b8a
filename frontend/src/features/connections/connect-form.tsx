/** Connects a model: choose what it is, paste a key, press once. Nothing is stored before it was tried. */
import { CircleCheck, LoaderCircle } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Connection, ConnectionTrial } from "@/shared/api/types";
import { mayAnswer, nameModel, nameModels } from "@/shared/lib/model-names";
import { Select } from "@/shared/ui/fields";

import { useChangeConnection, useConnect, useTrial } from "./connections";
import {
  chooseOffered,
  findPreset,
  formatSeconds,
  modelId,
  type Preset,
  PRESETS,
  type Vendor,
} from "./presets";
import { ProblemText } from "./problem-text";

interface Props {
  /** The id of the model to ask, once it is connected. */
  onConnected: (model: string) => void;
  onClose: () => void;
}

/** Problems after which the address is right: the connection may be kept, and answers later. */
const KEEPABLE: ReadonlySet<string> = new Set(["too_slow", "loading", "rate_limited", "model_failed"]);

export function ConnectForm({ onConnected, onClose }: Props) {
  const { t } = useTranslation();
  const trial = useTrial();
  const connect = useConnect();
  const [vendor, setVendor] = useState<Vendor>("openai");
  const [baseUrl, setBaseUrl] = useState(findPreset("openai").baseUrl);
  const [key, setKey] = useState("");
  const [model, setModel] = useState("");
  const preset = findPreset(vendor);
  const tried = trial.data;
  const isBusy = trial.isPending || connect.isPending;

  const store = async (found: ConnectionTrial): Promise<void> => {
    const offered = chooseOffered(found.models, found.model);
    const address = { vendor, base_url: baseUrl, api_key: key, model: found.model };
    const made = await connect.mutateAsync({ ...address, models: offered });
    setKey("");
    onConnected(modelId(made));
  };
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    connect.reset();
    const found = await trial.mutateAsync({ vendor, base_url: baseUrl, api_key: key, model });
    if (found.ok) await store(found);
  };
  const choose = (chosen: Preset): void => {
    setVendor(chosen.vendor);
    setBaseUrl(chosen.baseUrl);
    setModel("");
    trial.reset();
    connect.reset();
  };

  if (connect.data && tried)
    return <Connected connection={connect.data} trial={tried} onConnected={onConnected} onClose={onClose} />;
  const needsModel = tried?.problem === "no_models" || tried?.problem === "model_failed" || model !== "";
  return (
    // A refusal is shown where the mutation keeps it.
    <form
      onSubmit={(event) => void submit(event).catch(() => undefined)}
      data-unsaved={key !== "" || model !== "" || baseUrl !== preset.baseUrl}
      className="space-y-4 text-sm"
    >
      <PresetChoice vendor={vendor} onChoose={choose} />
      <AddressField preset={preset} value={baseUrl} onChange={setBaseUrl} />
      <KeyField preset={preset} value={key} onChange={setKey} />
      {needsModel && <ModelField models={tried?.models ?? []} value={model} onChange={setModel} />}
      <ProblemText
        problem={isBusy ? null : (tried?.problem ?? null)}
        error={isBusy ? null : (connect.error ?? trial.error)}
        preset={preset}
        baseUrl={baseUrl}
      />
      <div className="flex flex-wrap items-center justify-end gap-2">
        {isBusy && (
          <p role="status" className="mr-auto flex items-center gap-2 text-muted">
            <LoaderCircle size={16} aria-hidden className="animate-spin motion-reduce:animate-none" />
            {t("connect.trying")}
          </p>
        )}
        <button type="button" className="button min-h-11" onClick={onClose}>
          {t("common.cancel")}
        </button>
        {tried && !isBusy && KEEPABLE.has(tried.problem ?? "") && (
          <button
            type="button"
            className="button min-h-11"
            onClick={() => void store(tried).catch(() => undefined)}
          >
            {t("connect.keepAnyway")}
          </button>
        )}
        <button
          type="submit"
          className="button-brand min-h-11"
          disabled={isBusy || baseUrl.trim() === "" || (preset.place === "cloud" && key.trim() === "")}
        >
          {t("connect.connect")}
        </button>
      </div>
    </form>
  );
}

function PresetChoice({ vendor, onChoose }: { vendor: Vendor; onChoose: (preset: Preset) => void }) {
  const { t } = useTranslation();
  const group = useId();
  return (
    <fieldset>
      <legend className="mb-2">{t("connect.which")}</legend>
      <div className="flex flex-wrap gap-2">
        {PRESETS.map((preset) => (
          <label
            key={preset.vendor}
            className="flex min-h-11 cursor-pointer items-center rounded-lg border border-line px-3 hover:bg-raised has-[:checked]:border-accent has-[:checked]:bg-accent/10 has-[:focus-visible]:outline has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent"
          >
            <input
              type="radio"
              name={group}
              className="sr-only"
              checked={preset.vendor === vendor}
              onChange={() => onChoose(preset)}
            />
            {preset.title || t("connect.other")}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface FieldProps {
  preset: Preset;
  value: string;
  onChange: (value: string) => void;
}

function AddressField({ preset, value, onChange }: FieldProps) {
  const { t } = useTranslation();
  const hint = useId();
  return (
    <div className="space-y-1.5">
      <label className="block space-y-1.5">
        <span>{t("connect.address")}</span>
        <input
          className="field min-h-11"
          type="url"
          inputMode="url"
          required
          spellCheck={false}
          autoComplete="off"
          placeholder="https://…/v1"
          aria-describedby={hint}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      </label>
      <p id={hint} className="text-xs text-muted">
        {t(`connect.addressHint.${preset.place}`, { name: preset.title })}
      </p>
    </div>
  );
}

function KeyField({ preset, value, onChange }: FieldProps) {
  const { t } = useTranslation();
  const hint = useId();
  return (
    <div className="space-y-1.5">
      <label className="block space-y-1.5">
        <span>{t(preset.place === "cloud" ? "connect.key" : "connect.keyIfAny")}</span>
        <input
          data-first
          className="field min-h-11"
          type="password"
          autoComplete="off"
          data-1p-ignore
          data-lpignore="true"
          spellCheck={false}
          maxLength={1000}
          aria-describedby={hint}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      </label>
      <p id={hint} className="text-xs text-muted">
        {t("connect.keyHint")}{" "}
        {preset.keyPage && (
          <a
            href={preset.keyPage}
            target="_blank"
            rel="noreferrer"
            className="text-accent underline underline-offset-2"
          >
            {t("connect.makeKey", { name: preset.title })}
          </a>
        )}
      </p>
    </div>
  );
}

interface ModelFieldProps {
  models: readonly string[];
  value: string;
  onChange: (value: string) => void;
}

/** For a service that lists no models, or whose first one does not answer. */
function ModelField({ models, value, onChange }: ModelFieldProps) {
  const { t } = useTranslation();
  const list = useId();
  return (
    <label className="block space-y-1.5">
      <span>{t("connect.modelName")}</span>
      <input
        className="field min-h-11"
        spellCheck={false}
        autoComplete="off"
        list={list}
        maxLength={200}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={list}>
        {models.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}

interface ConnectedProps extends Props {
  connection: Connection;
  trial: ConnectionTrial;
}

/** What answered, which models there are, how soon; and the choice of another one. */
function Connected({ connection, trial, onConnected, onClose }: ConnectedProps) {
  const { t, i18n } = useTranslation();
  const change = useChangeConnection(connection.id);
  const [model, setModel] = useState(connection.model);
  const offered = trial.models.filter((id) => id === model || mayAnswer(id));
  const choose = async (chosen: string): Promise<void> => {
    setModel(chosen);
    const models = chooseOffered(trial.models, chosen);
    onConnected(modelId(await change.mutateAsync({ model: chosen, models })));
  };
  return (
    <div className="space-y-4 text-sm">
      <p role="status" className="flex items-start gap-2">
        <CircleCheck size={18} aria-hidden className="mt-px shrink-0 text-good" />
        <span className="min-w-0 break-words">
          {trial.first_token_ms === null
            ? t("connect.kept", { name: connection.title })
            : t("connect.answered", {
                name: connection.title,
                model: nameModel(trial.model),
                seconds: formatSeconds(trial.first_token_ms, i18n.language),
              })}
        </span>
      </p>
      {offered.length > 1 && (
        <label className="block space-y-1.5">
          <span>{t("connect.chooseModel", { count: offered.length })}</span>
          <Select value={model} onChange={(event) => void choose(event.target.value).catch(() => undefined)}>
            {[...nameModels(offered)].map(([id, name]) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </Select>
        </label>
      )}
      <ProblemText
        problem={null}
        error={change.error}
        preset={findPreset(connection.vendor)}
        baseUrl={connection.base_url}
      />
      <div className="flex justify-end">
        <button type="button" className="button-brand min-h-11" autoFocus onClick={onClose}>
          {t("connect.start")}
        </button>
      </div>
    </div>
  );
}
