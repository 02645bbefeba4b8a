/** One stored dictation: its text with times, its sound, its versions, downloads, and buttons that delete. */
import { Download, Ear, Play, Trash2 } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { ApiError } from "@/shared/api/client";
import { download } from "@/shared/api/download";
import { keys } from "@/shared/api/queries";
import type { StoredDictationDetail } from "@/shared/api/types";
import { useServices } from "@/shared/services";
import { CopyButton } from "@/shared/ui/copy-button";
import { Notice } from "@/shared/ui/notice";

import { useDictationSound } from "./dictation-sound";
import { DictationState } from "./dictation-state";
import { DictationVersions } from "./dictation-versions";
import { useStoredDictation } from "./queries";
import { findSpoken, SpokenFinal } from "./spoken-final";
import { useAttempt } from "./use-attempt";

const FORMATS = ["txt", "srt", "vtt"] as const;
const SOUND_FORMATS = ["wav", "flac"] as const;

/** Draws the dialog in which a dictation is heard again; it comes from another feature. */
export type RenderRedo = (props: {
  dictationId: string;
  before: Pick<StoredDictationDetail, "text" | "lang" | "provider" | "model">;
  onClose: () => void;
}) => ReactNode;

export function DictationDetail({ id, renderRedo }: { id: string; renderRedo: RenderRedo }) {
  const { t } = useTranslation();
  const { data, error, refetch } = useStoredDictation(id);
  if (error instanceof ApiError && error.status === 404)
    return <p className="text-muted">{t("history.dictations.none")}</p>;
  if (error && !data) return <Notice text={t("history.dictations.failed")} onRetry={() => void refetch()} />;
  if (!data)
    return (
      <p role="status" className="text-sm text-muted">
        {t("common.loading")}
      </p>
    );
  return (
    <>
      <Actions dictation={data} />
      {data.audio ? (
        <TextWithSound dictation={data} renderRedo={renderRedo} />
      ) : (
        <>
          <p className="mt-3 text-xs text-muted">
            <DictationState dictation={data} />
          </p>
          <Finals dictation={data} spokenMs={null} onPlay={null} />
        </>
      )}
      <DictationVersions id={id} />
    </>
  );
}

interface FinalsProps {
  dictation: StoredDictationDetail;
  spokenMs: number | null;
  onPlay: ((ms: number) => void) | null;
}

function Finals({ dictation, spokenMs, onPlay }: FinalsProps) {
  return (
    <ol className="mt-4 space-y-4">
      {dictation.items.map((final) => (
        <SpokenFinal
          key={`${dictation.current_version} ${final.n}`}
          final={final}
          spoken={findSpoken(final, spokenMs)}
          onPlay={onPlay}
        />
      ))}
    </ol>
  );
}

function TextWithSound({
  dictation,
  renderRedo,
}: {
  dictation: StoredDictationDetail;
  renderRedo: RenderRedo;
}) {
  const { t } = useTranslation();
  const { api, queryClient } = useServices();
  const attempt = useAttempt();
  const element = useRef<HTMLAudioElement>(null);
  const sound = useDictationSound(dictation.id, element);
  const [isRedoing, setRedoing] = useState(false);
  const path = `/api/dictations/${dictation.id}/audio`;
  return (
    <>
      <section
        aria-label={t("history.dictations.sound")}
        className="mt-4 space-y-2 rounded-2xl border border-line bg-surface p-3"
      >
        <p className="text-xs text-muted">
          <DictationState dictation={dictation} />
        </p>
        {sound.source === null ? (
          <button
            type="button"
            className="button min-h-11"
            disabled={sound.state === "loading"}
            onClick={() => sound.play(0)}
          >
            <Play size={16} aria-hidden />
            {t(sound.state === "loading" ? "common.loading" : "history.dictations.play")}
          </button>
        ) : (
          <audio
            ref={element}
            src={sound.source}
            controls
            className="h-11 w-full"
            aria-label={t("history.dictations.sound")}
            onLoadedMetadata={sound.begin}
            onError={sound.fail}
          />
        )}
        {sound.state === "failed" && (
          <Notice text={t("history.dictations.soundFailed")} onRetry={() => void sound.retry()} />
        )}
        <div className="flex flex-wrap items-center gap-2">
          <button type="button" className="button min-h-11" onClick={() => setRedoing(true)}>
            <Ear size={16} aria-hidden />
            {t("redo.open")}
          </button>
          {SOUND_FORMATS.map((format) => (
            <button
              key={format}
              type="button"
              className="button-quiet min-h-11"
              onClick={attempt(() => download(api, `${path}?format=${format}`, `dictation.${format}`))}
            >
              <Download size={16} aria-hidden />
              {t(`history.dictations.${format}`)}
            </button>
          ))}
          <SureButton
            label={t("history.dictations.deleteSound")}
            onSure={attempt(async () => {
              await api.response(path, { method: "DELETE" });
              await queryClient.invalidateQueries({ queryKey: keys.dictations });
            })}
          />
        </div>
      </section>
      <Finals dictation={dictation} spokenMs={sound.spokenMs} onPlay={sound.play} />
      {isRedoing &&
        renderRedo({ dictationId: dictation.id, before: dictation, onClose: () => setRedoing(false) })}
    </>
  );
}

/** Deletes at the second press. */
function SureButton({ label, onSure }: { label: string; onSure: () => void }) {
  const { t } = useTranslation();
  const [isSure, setSure] = useState(false);
  return (
    <button
      type="button"
      className={
        isSure ? "button ml-auto min-h-11 border-danger text-danger" : "button-quiet ml-auto min-h-11"
      }
      onClick={isSure ? onSure : () => setSure(true)}
      onBlur={() => setSure(false)}
    >
      <Trash2 size={16} aria-hidden />
      {isSure ? t("history.dictations.deleteSure") : label}
    </button>
  );
}

function Actions({ dictation }: { dictation: StoredDictationDetail }) {
  const { t } = useTranslation();
  const [, go] = useLocation();
  const { api, queryClient } = useServices();
  const attempt = useAttempt();
  const remove = attempt(async () => {
    await api.response(`/api/dictations/${dictation.id}`, { method: "DELETE" });
    go("/dictations");
    await queryClient.invalidateQueries({ queryKey: keys.dictations, exact: true });
  });
  return (
    <div className="flex flex-wrap items-center gap-2">
      <CopyButton text={dictation.text} label={t("chat.copyMessage")} showLabel />
      {FORMATS.map((format) => (
        <button
          key={format}
          type="button"
          className="button"
          onClick={attempt(() =>
            download(api, `/api/dictations/${dictation.id}?format=${format}`, `dictation.${format}`),
          )}
        >
          <Download size={16} aria-hidden />
          {t(`history.dictations.${format}`)}
        </button>
      ))}
      <SureButton label={t("history.dictations.delete")} onSure={remove} />
    </div>
  );
}
