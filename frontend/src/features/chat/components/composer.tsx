/** The composer of the chat: the field, the microphone, the button that sends or stops, and refusals. */
import { ArrowUp, ListPlus, LoaderCircle, Square, TriangleAlert, X } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { useTranslation } from "react-i18next";

import { wordError } from "@/shared/lib/notes";
import { useServices } from "@/shared/services";

import type { Problem } from "../stream/live-answer";

/**
 * `gone`: there is no conversation to send to. `attaching`: waiting for files, or for what the user decides
 * about them. `taking`: waiting for the last words of a dictation.
 * `creating`: the conversation for the first message. `uncertain`: it is not known whether the last message
 * has arrived, so that there is nothing to stop.
 */
export type ComposerState =
  "gone" | "ready" | "attaching" | "taking" | "creating" | "uncertain" | "answering" | "stopping";

/** What is waited for before a message is on its way. */
const AWAITED: Partial<Record<ComposerState, "chat.attaching" | "chat.taking" | "chat.making">> = {
  attaching: "chat.attaching",
  taking: "chat.taking",
  creating: "chat.making",
};

interface Props {
  state: ComposerState;
  isEmpty: boolean;
  /** Above the field. */
  files?: ReactNode;
  field: ReactNode;
  /** Left of the button: the microphone with its meter. */
  microphone?: ReactNode;
  /** Under the frame: the state of a dictation. */
  below?: ReactNode;
  onSend: () => void;
  onStop: () => void;
}

export function Composer({ state, isEmpty, files, field, microphone, below, onSend, onStop }: Props) {
  const { t } = useTranslation();
  const isAnswering = state === "answering" || state === "stopping";
  return (
    <form
      aria-label={t("chat.composer")}
      className="mx-auto w-full max-w-3xl px-3 pb-3 sm:px-4 short:pb-0"
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      <div className="rounded-2xl border border-control bg-surface p-2 shadow-lg short:p-1 transition-colors focus-within:border-accent">
        {files}
        {field}
        <div className="mt-1 flex items-center justify-end gap-2">
          <div className="flex min-w-0 flex-1 flex-wrap items-center gap-1">{microphone}</div>
          {isAnswering && !isEmpty && (
            <RoundButton label={t("chat.queue.send")} disabled={false}>
              <ListPlus size={20} aria-hidden />
            </RoundButton>
          )}
          {isAnswering && <StopButton isStopping={state === "stopping"} onStop={onStop} />}
          {!isAnswering && state !== "gone" && <SendButton state={state} isEmpty={isEmpty} />}
        </div>
      </div>
      {below}
    </form>
  );
}

function StopButton({ isStopping, onStop }: { isStopping: boolean; onStop: () => void }) {
  const { t } = useTranslation();
  return (
    <RoundButton label={t(isStopping ? "chat.stopping" : "chat.stop")} disabled={isStopping} onClick={onStop}>
      <Square size={16} aria-hidden fill="currentColor" />
    </RoundButton>
  );
}

function SendButton({ state, isEmpty }: Pick<Props, "state" | "isEmpty">) {
  const { t } = useTranslation();
  const isBusy = state !== "ready";
  return (
    <RoundButton label={t(AWAITED[state] ?? "chat.send")} disabled={isEmpty || isBusy}>
      {isBusy ? (
        <LoaderCircle size={20} aria-hidden className="animate-spin" />
      ) : (
        <ArrowUp size={20} aria-hidden />
      )}
    </RoundButton>
  );
}

interface RoundButtonProps {
  label: string;
  disabled: boolean;
  /** Without it the button submits. */
  onClick?: () => void;
  children: ReactNode;
}

function RoundButton({ label, disabled, onClick, children }: RoundButtonProps) {
  return (
    <button
      type={onClick ? "button" : "submit"}
      className="grid size-[44px] shrink-0 place-items-center rounded-full bg-brand text-on-fill transition hover:bg-fill-end hover:bg-none disabled:cursor-not-allowed disabled:bg-raised disabled:bg-none disabled:text-muted"
      aria-label={label}
      title={label}
      disabled={disabled}
      {...(onClick ? { onClick } : {})}
    >
      {children}
    </button>
  );
}

/** Refusals that the page explains itself: the server also writes for programs. */
const OWN_TEXTS: Record<
  string,
  | "chat.problems.unreachable"
  | "chat.problems.notArrived"
  | "chat.problems.requestNotArrived"
  | "chat.problems.busy"
  | "chat.notThere"
  | undefined
> = {
  unreachable: "chat.problems.unreachable",
  not_arrived: "chat.problems.notArrived",
  request_not_arrived: "chat.problems.requestNotArrived",
  busy: "chat.problems.busy",
  not_found: "chat.notThere",
};

/** Shown while a message may have arrived and the server cannot be asked. */
export function UncertainNote() {
  const { t } = useTranslation();
  const { announcements } = useServices();
  useEffect(() => announcements.say(t("chat.uncertainLong"), "sending"), [announcements, t]);
  return (
    <div className="mx-auto mb-2 w-full max-w-3xl px-3 sm:px-4">
      <div className="flex items-center gap-3 rounded-xl border border-line bg-surface px-3 py-2.5 text-sm">
        <LoaderCircle size={16} aria-hidden className="shrink-0 animate-spin text-warn" />
        <p className="min-w-0 flex-1 break-words">{t("chat.uncertainLong")}</p>
      </div>
    </div>
  );
}

/** Why the last request was refused; shown above the composer until it is dismissed or a request succeeds. */
export function Refusal({ problem, onDismiss }: { problem: Problem; onDismiss: () => void }) {
  const { t } = useTranslation();
  const known = OWN_TEXTS[problem.code];
  const text = known ? t(known) : wordError(t, problem);
  return (
    <div className="mx-auto mb-2 w-full max-w-3xl px-3 sm:px-4">
      <div
        role="alert"
        className="flex items-center gap-3 rounded-xl border border-danger/50 bg-danger/10 px-3 py-1.5 text-sm"
      >
        <TriangleAlert size={16} aria-hidden className="shrink-0 text-danger" />
        <p className="min-w-0 flex-1 break-words">
          <strong className="font-semibold">{t("chat.problems.refused")}.</strong> {text}
        </p>
        <button type="button" className="button-quiet" aria-label={t("chat.dismiss")} onClick={onDismiss}>
          <X size={16} aria-hidden />
        </button>
      </div>
    </div>
  );
}
