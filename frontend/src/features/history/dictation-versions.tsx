/** The versions of a dictation: two of them side by side, and which one is shown. */
import { Check, Download, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import { download } from "@/shared/api/download";
import { useSpeechEngines } from "@/shared/api/providers";
import { keys } from "@/shared/api/queries";
import type { DictationVersion, SttProvider } from "@/shared/api/types";
import { chooseLocale } from "@/shared/lib/formats";
import { nameFromIdentifier } from "@/shared/lib/model-names";
import { wordError } from "@/shared/lib/notes";
import { nameWhat } from "@/shared/lib/provider-names";
import { nameLanguage } from "@/shared/lib/spoken-languages";
import { useServices } from "@/shared/services";
import { ComparedTexts } from "@/shared/ui/compared-texts";
import { Choice } from "@/shared/ui/fields";

import { useDictationVersions } from "./queries";
import { useAttempt } from "./use-attempt";

export function DictationVersions({ id }: { id: string }) {
  const { t } = useTranslation();
  const { data } = useDictationVersions(id);
  if (data === undefined || data.length < 2) return null;
  const done = data.filter(({ status }) => status === "done");
  const others = data.filter(({ status }) => status !== "done");
  return (
    <section aria-label={t("history.versions.title")} className="mt-8">
      <h2 className="mb-2 text-sm font-semibold">{t("history.versions.title")}</h2>
      {others.map((version) => (
        <Unfinished key={version.id} id={id} version={version} />
      ))}
      {done.length > 1 && <Compared key={done.length} id={id} versions={done} />}
    </section>
  );
}

function Compared({ id, versions }: { id: string; versions: readonly DictationVersion[] }) {
  const { t } = useTranslation();
  const nameOf = useVersionNames(versions);
  const current = versions.find((version) => version.current) ?? versions[0];
  const before = versions.filter((version) => version.id !== current?.id).at(-1);
  const [leftId, setLeft] = useState(before?.id ?? "");
  const [rightId, setRight] = useState(current?.id ?? "");
  const left = versions.find((version) => version.id === leftId);
  const right = versions.find((version) => version.id === rightId);
  if (left === undefined || right === undefined) return null;
  const options = versions.map((version) => [version.id, nameOf(version)] as const);
  const show = (version: DictationVersion) => ({
    title: version.current ? t("history.versions.shown", { name: nameOf(version) }) : nameOf(version),
    text: version.text,
    lang: version.lang,
    actions: <VersionActions id={id} version={version} />,
  });
  return (
    <>
      {versions.length > 2 && (
        <div className="settings mb-3 grid gap-3 sm:grid-cols-2">
          <Choice label={t("history.versions.left")} value={leftId} options={options} onChange={setLeft} />
          <Choice label={t("history.versions.right")} value={rightId} options={options} onChange={setRight} />
        </div>
      )}
      <ComparedTexts left={show(left)} right={show(right)} />
    </>
  );
}

function VersionActions({ id, version }: { id: string; version: DictationVersion }): ReactNode {
  const { t } = useTranslation();
  const { api, queryClient } = useServices();
  const attempt = useAttempt();
  const path = `/api/dictations/${encodeURIComponent(id)}`;
  const refresh = () => queryClient.invalidateQueries({ queryKey: keys.dictations });
  return (
    <>
      {!version.current && (
        <button
          type="button"
          className="button"
          onClick={attempt(async () => {
            await api.response(path, { method: "PATCH", body: { current_version: version.id } });
            await refresh();
          })}
        >
          <Check size={16} aria-hidden />
          {t("history.versions.use")}
        </button>
      )}
      <button
        type="button"
        className="button-quiet"
        onClick={attempt(() => download(api, `${path}/versions/${version.id}?format=txt`, "dictation.txt"))}
      >
        <Download size={16} aria-hidden />
        {t("history.dictations.txt")}
      </button>
      {!version.original && (
        <button
          type="button"
          className="button-quiet"
          onClick={attempt(async () => {
            await api.response(`${path}/versions/${version.id}`, { method: "DELETE" });
            await refresh();
          })}
        >
          <Trash2 size={16} aria-hidden />
          {t("history.versions.delete")}
        </button>
      )}
    </>
  );
}

/** One that is being made, or could not be. */
function Unfinished({ id, version }: { id: string; version: DictationVersion }) {
  const { t } = useTranslation();
  const { api, queryClient } = useServices();
  const attempt = useAttempt();
  const isWorking = version.status === "working";
  return (
    <div className="mb-2 flex flex-wrap items-center justify-between gap-2 rounded-xl border border-line px-3 py-1 text-sm">
      <p role="status" className={isWorking ? "" : "text-warn"}>
        {isWorking ? t("redo.listening") : wordError(t, version.error ?? { code: "internal_error" })}
      </p>
      <button
        type="button"
        className="button-quiet"
        onClick={attempt(async () => {
          const path = `/api/dictations/${encodeURIComponent(id)}/versions/${version.id}`;
          await api.response(path, { method: "DELETE" });
          await queryClient.invalidateQueries({ queryKey: keys.dictations });
        })}
      >
        {t(isWorking ? "common.cancel" : "history.versions.dismiss")}
      </button>
    </div>
  );
}

/** "Spanish, Whisper base", with the time where two have the same name. */
function useVersionNames(versions: readonly DictationVersion[]): (version: DictationVersion) => string {
  const { t, i18n } = useTranslation();
  const engines = useSpeechEngines().data?.items ?? [];
  const plain = ({ lang, provider, model }: DictationVersion): string =>
    [lang && nameLanguage(lang, i18n.language), provider && nameEngine(t, engines, provider, model)]
      .filter(Boolean)
      .join(", ") || t("history.versions.unnamed");
  return (version) => {
    const name = plain(version);
    if (versions.filter((one) => plain(one) === name).length < 2) return name;
    const time = new Date(version.created_at).toLocaleTimeString(chooseLocale(i18n.language), {
      timeStyle: "medium",
    });
    return `${name}, ${time}`;
  };
}

function nameEngine(
  t: Parameters<typeof nameWhat>[0],
  engines: readonly SttProvider[],
  provider: string,
  model: string | null,
): string {
  const engine = engines.find(({ name }) => name === provider);
  if (engine === undefined) return nameFromIdentifier(provider);
  return nameWhat(t, model === null ? engine : { ...engine, model });
}
