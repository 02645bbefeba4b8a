/** What the server can hear or answer with, by what it gives: fetch it, see it come, use it, remove it. */
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiError } from "@/shared/api/client";
import { useLanguageModels, useSpeechEngines } from "@/shared/api/providers";
import type { Checkpoint, Fetch } from "@/shared/api/types";
import { formatBytes } from "@/shared/lib/formats";
import { useSettings } from "@/shared/services";
import { Notice } from "@/shared/ui/notice";

import {
  gradeHearing,
  isOfferedFirst,
  isUnderWay,
  percentOf,
  secondsLeft,
  useChangeCheckpoint,
  useCheckpoints,
} from "./checkpoints";

const GRADES = {
  basic: "checkpoints.basic",
  good: "checkpoints.good",
  veryGood: "checkpoints.veryGood",
  excellent: "checkpoints.excellent",
  best: "checkpoints.best",
} as const;
const PACES = {
  keeps_up: "checkpoints.keepsUp",
  lags: "checkpoints.lags",
  too_slow: "checkpoints.tooSlow",
} as const;
const ERRORS = {
  source_unreachable: "checkpoints.sourceUnreachable",
  weights_not_found: "checkpoints.weightsNotFound",
  damaged_file: "checkpoints.damagedFile",
  disk_full: "checkpoints.diskFull",
  folder_not_writable: "checkpoints.folderNotWritable",
  fetched_elsewhere: "checkpoints.fetchedElsewhere",
  fetch_failed: "checkpoints.fetchFailed",
} as const;
const REFUSALS: Record<string, "checkpoints.fetchUnderWay" | "checkpoints.notRemovable"> = {
  fetch_under_way: "checkpoints.fetchUnderWay",
  not_removable: "checkpoints.notRemovable",
};
/** Seconds of speech that the speed is told for. */
const SPEECH_S = 10;

export default function CheckpointList({ kind }: { kind: Checkpoint["kind"] }) {
  const { t, i18n } = useTranslation();
  const { data, isError } = useCheckpoints();
  const [showsAll, setShowsAll] = useState(false);
  if (data === undefined)
    return (
      <p role="status" className="text-sm text-muted">
        {t(isError ? "settings.listFailed" : "common.loading")}
      </p>
    );
  const items = data.items.filter((item) => item.kind === kind);
  const first = items.filter((item) => isOfferedFirst(item, data.fetch));
  const shown = showsAll ? items : first;
  if (items.length === 0) return null;
  return (
    <div className="space-y-3">
      <p className="text-sm text-muted">
        {t(kind === "whisper" ? "checkpoints.hearingHint" : "checkpoints.answersHint")}{" "}
        {data.may_change
          ? t("checkpoints.free", { size: formatBytes(data.free_bytes, i18n.language) })
          : t("checkpoints.askAdmin")}{" "}
        {shown.some(isSpeedUnknown) && t("checkpoints.speedUnknown")}
      </p>
      <ul
        aria-label={t(kind === "whisper" ? "checkpoints.hearing" : "checkpoints.answers")}
        className="divide-y divide-line rounded-xl border border-line"
      >
        {shown.map((item) => (
          <CheckpointItem
            key={`${item.kind}/${item.name}`}
            item={item}
            fetch={data.fetch?.name === item.name ? data.fetch : null}
            mayChange={data.may_change}
            isOtherFetched={isUnderWay(data.fetch) && data.fetch?.name !== item.name}
          />
        ))}
      </ul>
      {first.length < items.length && (
        <button type="button" className="button-quiet min-h-11" onClick={() => setShowsAll(!showsAll)}>
          {t(showsAll ? "checkpoints.showFew" : "checkpoints.showAll")}
        </button>
      )}
    </div>
  );
}

/** Its speed on this machine is measured once it is here. */
const isSpeedUnknown = (item: Checkpoint): boolean =>
  item.kind === "whisper" && item.can_run && !item.speed && !item.here;

interface CheckpointItemProps {
  item: Checkpoint;
  /** Its download, the latest one. */
  fetch: Fetch | null;
  mayChange: boolean;
  isOtherFetched: boolean;
}

function CheckpointItem({ item, fetch, mayChange, isOtherFetched }: CheckpointItemProps) {
  const { t } = useTranslation();
  const title = useTitle(item);
  const isInUse = useIsInUse(item);
  const change = useChangeCheckpoint();
  const refusal = change.error instanceof ApiError ? REFUSALS[change.error.code] : undefined;
  return (
    <li className="gap-4 px-4 py-3 text-sm sm:flex" aria-label={title}>
      <div className="min-w-0 flex-1 space-y-1">
        <div className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
          <span className="font-medium">{title}</span>
          <span className="text-xs text-muted">{item.name}</span>
          {isInUse && (
            <span className="rounded-full bg-accent/15 px-2 py-0.5 text-xs text-accent">
              {t("settings.inUse")}
            </span>
          )}
        </div>
        <Gives item={item} />
        {fetch?.state === "fetching" && <Progress fetch={fetch} title={title} />}
        <p role="status" className="empty:hidden">
          {fetch?.state === "measuring" && t("checkpoints.measuring")}
          {fetch?.state === "done" && item.here && !isInUse && t("checkpoints.isHere")}
        </p>
        {fetch?.state === "failed" && fetch.error && !item.here && <Failure error={fetch.error} />}
        {change.error && <Notice text={t(refusal ?? "checkpoints.changeFailed")} />}
      </div>
      <Actions
        item={item}
        title={title}
        isFetched={fetch?.state === "fetching"}
        isInUse={isInUse}
        mayChange={mayChange}
        isBlocked={isOtherFetched || change.isPending}
        change={(what) => change.mutate({ name: item.name, change: what })}
      />
    </li>
  );
}

/** The title by what it gives: how well it hears and which languages; the name where that is not known. */
function useTitle(item: Checkpoint): string {
  const { t } = useTranslation();
  if (item.kind === "gguf") return item.recommended ? t("checkpoints.smallModel") : item.name;
  const grade = gradeHearing(item.error_percent);
  const title = grade === null ? t("checkpoints.hears", { name: item.name }) : t(GRADES[grade]);
  return item.languages === null ? title : t("checkpoints.onlyEnglish", { title });
}

/** Whether this browser's dictations, or its new conversations, use it. */
function useIsInUse(item: Checkpoint): boolean {
  const [{ sttProvider, sttModel, chatModel }] = useSettings();
  const isEngineDefault = useIsEngineDefault(item);
  if (!item.here) return false;
  if (item.kind === "gguf")
    return chatModel === "" ? item.default && isEngineDefault : chatModel === `${item.engine}/${item.model}`;
  if (sttProvider === "") return item.default && isEngineDefault;
  if (sttProvider === item.engine && sttModel === "") return item.default;
  return sttProvider === item.engine && sttModel === item.model;
}

/** Whether the server uses the engine of these weights where a browser has chosen none. */
function useIsEngineDefault(item: Checkpoint): boolean {
  const speech = useSpeechEngines().data?.items.find((engine) => engine.default);
  const language = useLanguageModels().data?.items.find((provider) => provider.default || provider.chosen);
  return (item.kind === "gguf" ? language : speech)?.name === item.engine;
}

function Gives({ item }: { item: Checkpoint }) {
  const { t, i18n } = useTranslation();
  const number = (value: number) => value.toLocaleString(i18n.language, { maximumSignificantDigits: 2 });
  const parts = [
    item.error_percent !== null &&
      t("checkpoints.wrong", { percent: item.error_percent.toLocaleString(i18n.language) }),
    item.kind === "whisper" && item.languages === null && t("checkpoints.manyLanguages"),
    item.kind === "gguf" && item.recommended && t("checkpoints.smallModelHint"),
    formatBytes(item.size_bytes, i18n.language).replace(" ", "\u00a0"),
  ];
  return (
    <>
      <p className="text-muted">{parts.filter(Boolean).join(" · ")}</p>
      {item.kind === "whisper" && item.can_run && item.speed && (
        <p className={item.speed.pace === "too_slow" ? "text-warn" : "text-muted"}>
          {t(PACES[item.speed.pace], {
            speech: SPEECH_S,
            seconds: number(item.speed.rate * SPEECH_S),
            how: t(item.speed.measured ? "checkpoints.measured" : "checkpoints.estimated"),
          })}
        </p>
      )}
      {!item.can_run && <p className="text-warn">{t("checkpoints.cannotRun")}</p>}
    </>
  );
}

function Progress({ fetch, title }: { fetch: Fetch; title: string }) {
  const { t, i18n } = useTranslation();
  const percent = percentOf(fetch.done_bytes, fetch.total_bytes);
  const left = secondsLeft(fetch);
  const size = (bytes: number) => formatBytes(bytes, i18n.language);
  const wait =
    left === null
      ? t("checkpoints.waiting")
      : left < 60
        ? t("checkpoints.secondsLeft", { count: left })
        : t("checkpoints.minutesLeft", { count: Math.ceil(left / 60) });
  return (
    <div className="pt-1">
      <div
        role="progressbar"
        aria-label={t("checkpoints.progress", { title })}
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
        className="h-2 overflow-hidden rounded-full border border-line bg-raised"
      >
        <div className="h-full bg-accent" style={{ width: `${percent}%` }} />
      </div>
      <p className="mt-1 text-xs tabular-nums text-muted">
        {t("checkpoints.done", { percent, done: size(fetch.done_bytes), total: size(fetch.total_bytes) })}
        {" · "}
        {wait}
      </p>
    </div>
  );
}

function Failure({ error }: { error: NonNullable<Fetch["error"]> }) {
  const { t, i18n } = useTranslation();
  const size = (bytes: number | null) => (bytes === null ? "" : formatBytes(bytes, i18n.language));
  return (
    <div role="alert">
      <Notice
        text={
          error.code === "disk_full" && error.need_bytes === null
            ? t("checkpoints.diskFullNow")
            : t(ERRORS[error.code], { need: size(error.need_bytes), free: size(error.free_bytes) })
        }
      />
    </div>
  );
}

interface ActionsProps {
  item: Checkpoint;
  title: string;
  isFetched: boolean;
  isInUse: boolean;
  mayChange: boolean;
  /** Something else is fetched, or an answer is awaited. */
  isBlocked: boolean;
  change: (what: "begin" | "cancel" | "remove") => void;
}

function Actions({ item, title, isFetched, isInUse, mayChange, isBlocked, change }: ActionsProps) {
  const { t, i18n } = useTranslation();
  const [, set] = useSettings();
  const [asksRemoval, setAsksRemoval] = useState(false);
  const button = (text: string, run: () => void, style = "button", isDisabled = false) => (
    <button
      type="button"
      className={`${style} min-h-11`}
      aria-label={`${text}: ${title}`}
      disabled={isDisabled}
      onClick={run}
    >
      {text}
    </button>
  );
  const use = () => {
    if (item.kind === "gguf") set({ chatModel: `${item.engine}/${item.model}` });
    else set({ sttProvider: item.engine, sttModel: item.model });
  };
  const remove = () => {
    setAsksRemoval(false);
    if (isInUse) set(item.kind === "gguf" ? { chatModel: "" } : { sttProvider: "", sttModel: "" });
    change("remove");
  };
  const size = formatBytes(item.download_bytes, i18n.language);
  const percent = percentOf(item.partial_bytes, item.download_bytes);
  if (asksRemoval)
    return (
      <div className="flex flex-wrap items-center gap-2 self-start pt-2 sm:max-w-56 sm:justify-end sm:pt-0">
        {t("checkpoints.removeAsk", {
          size: formatBytes(item.here ? item.size_bytes : item.partial_bytes, i18n.language),
        })}
        {button(t("checkpoints.removeYes"), remove)}
        {button(t("checkpoints.removeNo"), () => setAsksRemoval(false), "button-quiet")}
      </div>
    );
  const canFetch = !item.here && mayChange && !isFetched && item.can_run && item.download_bytes > 0;
  const canRemove = mayChange && !isFetched && (item.here ? item.removable : item.partial_bytes > 0);
  return (
    <div className="flex flex-wrap gap-2 self-start pt-2 empty:hidden sm:max-w-56 sm:justify-end sm:pt-0">
      {isFetched && mayChange && button(t("checkpoints.cancel"), () => change("cancel"))}
      {canFetch &&
        button(
          item.partial_bytes > 0 ? t("checkpoints.goOn", { percent }) : t("checkpoints.fetch", { size }),
          () => change("begin"),
          "button",
          isBlocked,
        )}
      {item.here && item.can_run && !isInUse && button(t("checkpoints.use"), use, "button-brand")}
      {canRemove &&
        button(
          t(item.here ? "checkpoints.remove" : "checkpoints.discard"),
          () => setAsksRemoval(true),
          "button-quiet",
          isBlocked,
        )}
    </div>
  );
}
