/**
 * The line below the composer: what dictation is doing and what it waits for, or why it failed. A screen
 * reader talks into the microphone: it is told only what the user must act on, and the rest on request.
 */

import type { TFunction } from "i18next";
import { TriangleAlert, X } from "lucide-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { formatCountdown } from "@/shared/lib/formats";
import { isComposing, nameKey } from "@/shared/lib/keyboard";
import { wordNote } from "@/shared/lib/notes";
import { useServices, useSettings } from "@/shared/services";
import { TechnicalDetails } from "@/shared/ui/notice";
import { nameQueued } from "@/shared/ui/queued";

import { MAX_KEPT_MS } from "../client/audio-queue";
import type { Failure } from "../client/failure";
import type { Awaited } from "../client/messages";
import { listMarks } from "../composer/model";
import type { Dictation, Waiting } from "../dictation";
import { useDictationView } from "../dictation-context";
import type { DictationState } from "../dictation-state";
import type { HandsFree } from "../hands-free/hands-free";
import { LatencyReceipt } from "./latency-receipt";
import { LimitHint, SoundHint } from "./sound-hint";
import { useHandsFreeState } from "./use-hands-free";
import { type Pace, useSteadyText } from "./use-steady-text";

interface Props {
  dictation: Dictation;
  handsFree: HandsFree;
}

export function DictationStatus({ dictation, handsFree }: Props) {
  const { t } = useTranslation();
  const isHandsFree = useHandsFreeState(handsFree).kind === "on";
  const { state, lastFinal, awaited, waiting, isTooQuiet, hint, limit } = useDictationView(dictation);
  const [{ pushToTalkKey, showsTiming }] = useSettings();
  const time = formatCountdown(waiting?.seconds ?? 0);
  const name = (key: StateText): string => t(key, { key: nameKey(pushToTalkKey, t), time });
  const announced = getStateText(state, isTooQuiet, waiting);
  // The line of hands-free says whose turn it is.
  const isMutedByVoice = announced === "dictation.muted" && handsFree.isMuting;
  const isSaidAbove = isMutedByVoice || (isHandsFree && TURNS.has(announced));
  const waits = getAwaited(state, announced, awaited);
  useReadOut(dictation, name(announced));
  const line = useSteadyText(
    waits === null ? name(announced) : nameAwaited(waits, t),
    waits === null ? getPace(announced) : "held",
  );
  return (
    <>
      <SoundHint hint={hint} onDismiss={dictation.dismissHint} />
      <LimitHint limit={limit} onDismiss={dictation.dismissLimit} />
      {state.kind === "failed" && <FailureNotice failure={state.failure} dictation={dictation} />}
      <div className="relative flex min-h-7 items-center justify-center gap-3 px-2 pt-1 text-center text-xs text-muted">
        <span
          data-testid="dictation-state"
          data-state={state.kind}
          className={getStateStyle(state, isTooQuiet)}
        >
          {state.kind === "failed" || (isSaidAbove && waits === null) ? "" : line}
        </span>
        <span role="status" className="sr-only">
          {state.kind !== "failed" && MUST_ACT.has(announced) ? name(announced) : ""}
        </span>
        {showsTiming && lastFinal !== null && <LatencyReceipt latency={lastFinal.latency} />}
      </div>
      {waiting !== null && WAITING_HERE.has(announced) && <WaitingNote waiting={waiting} />}
      <div role="group" aria-label={t("dictation.heardLast")} aria-keyshortcuts="Alt+L" className="sr-only">
        <p data-testid="heard">{lastFinal?.text}</p>
      </div>
    </>
  );
}

/** What is said of a microphone that gives no sound, or none yet. */
export const SOUND_TEXTS = {
  opening: "dictation.sound.opening",
  asked: "dictation.sound.asked",
  silent: "dictation.sound.silent",
  muted: "dictation.sound.muted",
  suspended: "dictation.sound.suspended",
  stalled: "dictation.sound.stalled",
} as const;

const WAITING_HERE: ReadonlySet<StateText> = new Set(["dictation.recordingHere", "dictation.keptHere"]);
/** How long before an hour is full that is said. */
const WARN_S = 300;

type StateText = ReturnType<typeof getStateText>;

/** What the user must act on; the last one is the end of that. */
const MUST_ACT: ReadonlySet<StateText> = new Set([
  "dictation.tooQuiet",
  "dictation.sound.asked",
  "dictation.sound.silent",
  "dictation.sound.muted",
  "dictation.sound.suspended",
  "dictation.sound.stalled",
  "dictation.sound.recovered",
]);

/** Alt+L reads out what was heard last and whether a part is missing, or the state where nothing was. */
function useReadOut(dictation: Dictation, line: string): void {
  const { t } = useTranslation();
  const { announcements } = useServices();
  const latest = useRef((): string => "");
  useEffect(() => {
    latest.current = () => {
      const heard = dictation.get().lastFinal?.text;
      const missing = listMarks(dictation.composer.get()).filter(({ kind }) => kind === "gap").length;
      const told = heard ? `${t("dictation.heardLast")}: ${heard}` : line;
      return missing > 0 ? `${told} ${t("dictation.missing", { count: missing })}` : told;
    };
  });
  useEffect(() => {
    const handleKey = (event: KeyboardEvent): void => {
      const { altKey, ctrlKey, metaKey, shiftKey, code } = event;
      if (code !== "KeyL" || !altKey || ctrlKey || metaKey || shiftKey || isComposing(event)) return;
      event.preventDefault();
      announcements.read(latest.current());
    };
    addEventListener("keydown", handleKey);
    return () => removeEventListener("keydown", handleKey);
  }, [announcements]);
}

/** What becomes of the speech that waits for the server: no more than is known. */
function WaitingNote({ waiting }: { waiting: Waiting }) {
  const { t } = useTranslation();
  const isNearlyFull = waiting.seconds >= MAX_KEPT_MS / 1000 - WARN_S;
  return (
    <p className="px-2 pb-1 text-center text-xs text-muted">
      {t(`dictation.waiting.${waiting.keeping}`)}
      {!waiting.isEngineKnown && ` ${t("dictation.waiting.unknownEngine")}`}
      {isNearlyFull && ` ${t("dictation.waiting.hour")}`}
    </p>
  );
}

/** What is awaited, where it says more than the text of the state: none of them is a reason to act. */
function getAwaited(state: DictationState, text: StateText, awaited: Awaited | null): Awaited | null {
  if (awaited === null) return null;
  if (awaited.kind === "catchingUp")
    return WAITING_TEXTS.has(text) || state.kind === "finishing" ? awaited : null;
  if (state.kind === "opening") return text === "dictation.opening" ? awaited : null;
  if (state.kind === "finishing") return awaited.kind === "queued" && !state.isLost ? awaited : null;
  return text === "dictation.listening" ? awaited : null;
}

/** The states behind which a backlog may stand. */
const WAITING_TEXTS: ReadonlySet<StateText> = new Set([
  "dictation.listening",
  "dictation.hearing",
  "dictation.degraded",
]);

function nameAwaited(awaited: Awaited, t: TFunction): string {
  switch (awaited.kind) {
    case "loading":
      return t("dictation.awaited.loading");
    case "writing":
      return t("dictation.awaited.writing");
    case "catchingUp":
      return t("dictation.awaited.catchingUp", { seconds: awaited.seconds });
    case "queued":
      return nameQueued(awaited.place, t);
  }
}

const TURNS: ReadonlySet<StateText> = new Set(["dictation.listening", "dictation.hearing"]);

/** Speaking and pausing follow each other quickly, and the text of what was said is often there at once. */
function getPace(text: StateText): Pace {
  if (text === "dictation.listening") return "calm";
  return text === "dictation.hearing" ? "turn" : "plain";
}

function getStateText(state: DictationState, isTooQuiet: boolean, waiting: Waiting | null) {
  if ("sound" in state) {
    if (state.isMuted && state.sound !== "opening" && state.sound !== "asked") return "dictation.muted";
    if (state.sound !== "live" && state.sound !== "recovered") return SOUND_TEXTS[state.sound];
  }
  switch (state.kind) {
    case "idle":
    case "failed":
      return "dictation.idle";
    case "opening":
      return "dictation.opening";
    case "reconnecting":
      return waiting === null ? "dictation.unanswered" : "dictation.recordingHere";
    case "finishing":
      if (!state.isLost) return "dictation.finishing";
      return waiting === null ? "dictation.unanswered" : "dictation.keptHere";
    case "listening":
      if (state.sound === "recovered") return "dictation.sound.recovered";
      if (isTooQuiet) return "dictation.tooQuiet";
      if (state.isDegraded) return "dictation.degraded";
      return state.isSpeaking ? "dictation.hearing" : "dictation.listening";
  }
}

function getStateStyle(state: DictationState, isTooQuiet: boolean): string {
  if (state.kind === "idle") return "[@media(hover:none)]:hidden"; // its text names a key
  const needsAttention =
    state.kind === "reconnecting" ||
    ("sound" in state && state.sound !== "live" && state.sound !== "opening") ||
    (state.kind === "listening" && (isTooQuiet || state.isMuted || state.isDegraded));
  return needsAttention ? "font-medium text-warn" : "";
}

const FIXED_IN_SETTINGS: ReadonlySet<Failure["kind"]> = new Set([
  "device_lost",
  "not_ready",
  "unknown_engine",
  "language",
  "engine_failed",
  "refused",
]);

/** Kinds that do not say by themselves what to do. */
const EXPLAINED: ReadonlySet<Failure["kind"]> = new Set(["not_ready", "refused"]);

function FailureNotice({ failure, dictation }: { failure: Failure; dictation: Dictation }) {
  const { t } = useTranslation();
  return (
    <div
      role="alert"
      className="mt-2 flex max-h-[30dvh] items-start gap-2 rounded-xl border border-danger/40 bg-danger/10 overflow-y-auto p-3 text-sm"
    >
      <TriangleAlert size={18} className="mt-0.5 shrink-0 text-danger" aria-hidden />
      <div className="min-w-0 flex-1">
        <p>{t(`dictation.failures.${failure.kind}`)}</p>
        {failure.note && EXPLAINED.has(failure.kind) && (
          <p className="mt-1 break-words">{wordNote(t, failure.note)}</p>
        )}
        <TechnicalDetails text={failure.detail} />
        <div className="mt-2 flex gap-2">
          {failure.kind === "new_version" ? (
            <button type="button" className="button" onClick={() => location.reload()}>
              {t("common.reload")}
            </button>
          ) : (
            <button type="button" className="button" onClick={dictation.start}>
              {t("common.retry")}
            </button>
          )}
          {FIXED_IN_SETTINGS.has(failure.kind) && (
            <Link href="/settings" className="button">
              {t("dictation.toSettings")}
            </Link>
          )}
        </div>
      </div>
      <button
        type="button"
        className="button-quiet -my-1"
        aria-label={t("common.close")}
        onClick={dictation.dismiss}
      >
        <X size={16} aria-hidden />
      </button>
    </div>
  );
}
