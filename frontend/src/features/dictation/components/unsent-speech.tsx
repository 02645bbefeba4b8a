/** Speech that an earlier visit left behind: it can be heard, sent, or discarded. */
import { AudioLines, LoaderCircle, Play, Square } from "lucide-react";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import { formatShortDate } from "@/shared/lib/formats";

import { SAMPLE_RATE_HZ } from "../client/audio-queue";
import type { Failure } from "../client/failure";
import type { Dictation } from "../dictation";
import type { UnsentItem, UnsentSpeech } from "../unsent/unsent-speech";

interface Props {
  dictation: Dictation;
  unsent: UnsentSpeech;
  /** Called when the buttons go: the focus belongs to the field. */
  onGo: () => void;
}

export function UnsentSpeechList({ dictation, unsent, onGo }: Props) {
  const items = useSyncExternalStore(unsent.subscribe, unsent.get);
  const [sending, setSending] = useState<UnsentItem | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  useEffect(() => {
    const look = (): void => {
      if (document.visibilityState === "visible") void unsent.refresh();
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [unsent]);
  const send = async (item: UnsentItem): Promise<void> => {
    setFailure(null);
    const left = await unsent.claim(item.id);
    if (left === null) return void unsent.refresh();
    setSending(item);
    onGo();
    setFailure(await dictation.resend(left));
    setSending(null);
  };
  return (
    <>
      {sending !== null && <Sending item={sending} />}
      {items.map((item) => (
        <Offer
          key={item.id}
          item={item}
          unsent={unsent}
          failure={failure}
          // One after another: their texts come in the order in which they were spoken.
          canSend={sending === null}
          onSend={() => void send(item)}
          onDiscarded={onGo}
        />
      ))}
    </>
  );
}

const BOX = "mt-2 flex flex-wrap items-center gap-x-3 gap-y-1 rounded-xl border p-2 pl-3 text-sm";

function Sending({ item }: { item: UnsentItem }) {
  const { t } = useTranslation();
  const length = useLength(item.seconds);
  return (
    <div role="status" className={`${BOX} min-h-11 border-line bg-raised`}>
      <LoaderCircle size={18} className="shrink-0 animate-spin text-accent" aria-hidden />
      <p className="min-w-0 flex-1">{t("dictation.unsent.sending", { length })}</p>
    </div>
  );
}

interface OfferProps {
  item: UnsentItem;
  unsent: UnsentSpeech;
  failure: Failure | null;
  canSend: boolean;
  onSend: () => void;
  onDiscarded: () => void;
}

function Offer({ item, unsent, failure, canSend, onSend, onDiscarded }: OfferProps) {
  const { t, i18n } = useTranslation();
  const [isAsking, setAsking] = useState(false);
  const length = useLength(item.seconds);
  const when = formatShortDate(new Date(item.startedAtMs).toISOString(), i18n.language);
  const player = usePlayer(() => unsent.listen(item.id));
  const discard = (): void => {
    player.stop();
    void unsent.discard(item.id).then(onDiscarded);
  };
  return (
    <section
      aria-label={t("dictation.unsent.name")}
      data-testid="unsent-speech"
      className={`${BOX} border-accent/40 bg-accent/10`}
    >
      <AudioLines size={18} className="shrink-0 text-accent" aria-hidden />
      <div className="min-w-40 flex-1">
        <p role={isAsking ? "alert" : undefined}>
          {isAsking ? t("dictation.unsent.sure", { length }) : t("dictation.unsent.text", { length, when })}
        </p>
        {!isAsking && (
          <p className="text-xs text-muted">
            {failure === null ? t("dictation.unsent.hint") : t(`dictation.failures.${failure.kind}`)}
          </p>
        )}
      </div>
      <div className="flex flex-wrap items-center gap-1">
        {isAsking ? (
          <>
            <button type="button" className="button min-h-11" onClick={discard}>
              {t("dictation.unsent.discardAnyway")}
            </button>
            <button
              type="button"
              className="button-brand min-h-11"
              autoFocus
              onClick={() => setAsking(false)}
            >
              {t("dictation.unsent.keep")}
            </button>
          </>
        ) : (
          <>
            <button type="button" className="button-quiet min-h-11" onClick={player.toggle}>
              {player.isPlaying ? <Square size={16} aria-hidden /> : <Play size={16} aria-hidden />}
              {t(player.isPlaying ? "dictation.unsent.stop" : "dictation.unsent.listen")}
            </button>
            <button type="button" className="button-quiet min-h-11" onClick={() => setAsking(true)}>
              {t("dictation.unsent.discard")}
            </button>
            <button type="button" className="button-brand min-h-11" disabled={!canSend} onClick={onSend}>
              {t("dictation.unsent.send")}
            </button>
          </>
        )}
      </div>
    </section>
  );
}

/** 3 min 12 s. */
function useLength(seconds: number): string {
  const { t } = useTranslation();
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  return minutes === 0
    ? t("dictation.seconds", { seconds: Math.max(1, rest) })
    : t("dictation.unsent.minutes", { minutes, seconds: rest });
}

/** Plays samples by themselves: the page may load no audio but its own. */
function usePlayer(read: () => Promise<Int16Array[]>) {
  const [context, setContext] = useState<AudioContext | null>(null);
  const current = useRef<AudioContext | null>(null);
  const stop = (): void => {
    void current.current?.close();
    current.current = null;
    setContext(null);
  };
  useEffect(() => () => void current.current?.close(), []);
  const play = async (): Promise<void> => {
    const started = new AudioContext(); // within the gesture: else it may not sound
    current.current = started;
    setContext(started);
    const parts = await read();
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length === 0 || current.current !== started) return stop();
    const buffer = started.createBuffer(1, length, SAMPLE_RATE_HZ);
    let at = 0;
    for (const part of parts) {
      buffer.copyToChannel(
        Float32Array.from(part, (sample) => sample / 0x8000),
        0,
        at,
      );
      at += part.length;
    }
    const source = started.createBufferSource();
    source.buffer = buffer;
    source.connect(started.destination);
    source.onended = () => current.current === started && stop();
    source.start();
  };
  const toggle = (): void => (context === null ? void play() : stop());
  return { isPlaying: context !== null, toggle, stop };
}
