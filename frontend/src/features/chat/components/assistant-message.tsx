/** An answer: its reasoning, text and tool calls, why it broke off, its buttons and its tokens. */
import type { TFunction } from "i18next";
import { ClipboardType, GitFork, RefreshCw } from "lucide-react";
import { useTranslation } from "react-i18next";

import { chooseLocale } from "@/shared/lib/formats";
import { nameModel } from "@/shared/lib/model-names";
import { wordError } from "@/shared/lib/notes";
import { CopyButton } from "@/shared/ui/copy-button";
import { Notice } from "@/shared/ui/notice";
import { nameQueued } from "@/shared/ui/queued";

import { readFormatted } from "../markdown/rich-text";
import type { AnswerAwaited, TokenUsage } from "../stream/chat-events";
import type { ShownMessage } from "../stream/shown-messages";
import { AnswerBody, useToolCalls } from "../tools/answer-body";
import { ActionButton, type MessageProps, VersionSwitch } from "./message-actions";

export function AssistantMessage(props: MessageProps) {
  const { message, isEditable, actions } = props;
  const { t } = useTranslation();
  const isLive = message.status === "streaming";
  const calls = useToolCalls(message);
  const isAsking = calls.some(({ state }) => state === "asking");
  if (isStoppedBlank(message) && calls.length === 0) return <StoppedAnswer {...props} />;
  return (
    <article aria-label={t("chat.answer")} aria-busy={isLive && !isAsking} className="group min-w-0">
      {message.reasoning && (
        <Reasoning text={message.reasoning} isOpen={isLive && message.content === "" && calls.length === 0} />
      )}
      <AnswerBody message={message} calls={calls} />
      {isLive && <Progress message={message} />}
      <AnswerNotice
        message={message}
        onRetry={isEditable && actions !== null ? () => actions.regenerate(message) : null}
        onResume={actions && actions.resume}
      />
      {!isLive && <AnswerActions {...props} />}
    </article>
  );
}

/** Whether it was stopped before its first word. */
function isStoppedBlank({ error, status, content, reasoning }: ShownMessage): boolean {
  return error?.code === "stopped" && status !== "streaming" && content === "" && !reasoning;
}

/** An answer of which there is nothing: only the way to another one is left. */
function StoppedAnswer(props: MessageProps) {
  const { message, isEditable, actions } = props;
  const { t } = useTranslation();
  return (
    <div className="message-actions -ml-2">
      <button
        type="button"
        className="button-quiet"
        disabled={!isEditable}
        onClick={() => actions?.regenerate(message)}
      >
        <RefreshCw size={16} aria-hidden />
        {t("chat.again")}
      </button>
      <VersionSwitch {...props} />
    </div>
  );
}

function AnswerActions(props: MessageProps) {
  const { message, isEditable, actions } = props;
  const { t } = useTranslation();
  return (
    <div className="message-actions -ml-2">
      <CopyButton text={message.content} label={t("chat.copyMessage")} />
      <CopyButton
        text={message.content}
        html={readFormatted}
        label={t("chat.copyFormatted")}
        Icon={ClipboardType}
      />
      <ActionButton
        Icon={RefreshCw}
        label={t("chat.again")}
        disabled={!isEditable}
        onClick={() => actions?.regenerate(message)}
      />
      <ActionButton
        Icon={GitFork}
        label={t("chat.fork")}
        disabled={!isEditable}
        onClick={() => actions?.fork(message.id)}
      />
      <VersionSwitch {...props} />
      <UsageNote message={message} />
    </div>
  );
}

function Reasoning({ text, isOpen }: { text: string; isOpen: boolean }) {
  const { t } = useTranslation();
  return (
    <details
      className="mb-3 rounded-lg border border-line bg-surface px-3 py-2 text-sm text-muted"
      open={isOpen}
    >
      <summary className="cursor-pointer select-none touch:py-3">{t("chat.reasoning")}</summary>
      <div dir="auto" className="mt-2 whitespace-pre-wrap break-words leading-6">
        {text}
      </div>
    </details>
  );
}

/** What is shown while nothing arrives, or the connection is lost. Only the server says what is awaited. */
function Progress({ message }: { message: ShownMessage }) {
  const { t } = useTranslation();
  if (message.live === "lost") return <p className="mt-2 text-sm text-warn">{t("chat.reconnecting")}</p>;
  if (message.awaited !== null)
    return (
      <p aria-live="off" data-testid="awaited" className="mt-1 text-sm tabular-nums text-muted">
        {nameAwaited(message.awaited, t)}
      </p>
    );
  if (message.content !== "" || message.reasoning || message.tool_events.length > 0) return null;
  return message.live === "waiting" ? <p className="mt-1 text-sm text-muted">{t("chat.waiting")}</p> : null;
}

function nameAwaited(awaited: AnswerAwaited, t: TFunction): string {
  if (awaited.kind === "queued") return nameQueued(awaited.place, t);
  if (awaited.kind === "loading") return t("chat.awaited.loading");
  return t("chat.awaited.working", { seconds: awaited.seconds });
}

/** The model of the answer, its tokens, and the time. */
function UsageNote({ message }: { message: ShownMessage }) {
  const { t, i18n } = useTranslation();
  const usage = message.usage as TokenUsage | null;
  const read = usage?.prompt_tokens ?? 0;
  const written = usage?.completion_tokens ?? 0;
  const detail = t(usage?.estimated ? "chat.tokensEstimated" : "chat.tokensDetail", { read, written });
  const time = message.timestamp ? new Date(message.timestamp) : null;
  return (
    <p className="flex min-w-0 flex-wrap px-2 gap-x-2 text-xs text-muted">
      {message.model && (
        <span className="max-w-48 truncate" title={message.model}>
          {nameModel(message.model)}
        </span>
      )}
      {written > 0 && (
        <span title={detail}>
          {t(usage?.estimated ? "chat.tokensAbout" : "chat.tokens", { count: written })}
          <span className="sr-only">. {detail}</span>
        </span>
      )}
      {time && (
        <time
          dateTime={message.timestamp}
          title={time.toLocaleString(chooseLocale(i18n.language))}
          className="hidden sm:inline"
        >
          {time.toLocaleTimeString(chooseLocale(i18n.language), { hour: "2-digit", minute: "2-digit" })}
        </time>
      )}
    </p>
  );
}

interface AnswerNoticeProps {
  message: ShownMessage;
  /** Ask again; null where that is not possible now. */
  onRetry: (() => void) | null;
  /** Look again for an answer that was given up. */
  onResume: (() => void) | null;
}

/** Why an answer is not complete, and a button that goes on. */
function AnswerNotice({ message, onRetry, onResume }: AnswerNoticeProps) {
  const { t } = useTranslation();
  const { error, status, live } = message;
  if (live === "broken") return <Notice text={t("chat.problems.broken")} onRetry={onResume} />;
  if (error?.code === "stopped")
    return <p className="mt-2 text-sm text-muted">{t("chat.problems.stopped")}</p>;
  if (error || status === "failed" || status === "interrupted")
    return (
      <Notice
        title={t("chat.problems.title")}
        text={wordError(t, error ?? { code: "interrupted" })}
        detail={error?.message}
        onRetry={onRetry}
      />
    );
  if (status !== "complete") return null;
  if (message.finish_reason === "length") return <Notice text={t("chat.problems.length")} />;
  if (message.content !== "" || message.reasoning) return null;
  return <Notice text={t("chat.problems.empty")} onRetry={onRetry} />;
}
