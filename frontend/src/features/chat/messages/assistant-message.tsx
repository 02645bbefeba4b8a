/** An answer: its thoughts, its text as it comes, why it broke off, and what it cost. */
import { GitFork, type LucideIcon, RefreshCw } from "lucide-react";
import { useTranslation } from "react-i18next";

import { CopyButton } from "../parts/copy-button";
import { AnswerBody, useToolCalls } from "../tools/answer-body";
import { AnswerNotice } from "./answer-notice";
import type { MessageProps } from "./message-item";
import type { Shown } from "./shown-messages";
import { UsageNote } from "./usage-note";
import { VersionSwitch } from "./version-switch";

export function AssistantMessage({ message, isSettled, actions }: MessageProps) {
  const { t } = useTranslation();
  const isLive = message.status === "streaming";
  const calls = useToolCalls(message);
  const isAsking = calls.some(({ state }) => state === "asking");
  return (
    <article aria-label={t("chat.answer")} aria-busy={isLive && !isAsking} className="group min-w-0">
      {message.reasoning && (
        <Reasoning text={message.reasoning} isOpen={isLive && message.content === "" && calls.length === 0} />
      )}
      <AnswerBody message={message} calls={calls} />
      {isLive && <Progress message={message} />}
      <AnswerNotice
        message={message}
        canRetry={isSettled && actions !== null}
        onRetry={() => actions?.again(message)}
        onResume={actions && actions.resume}
      />
      {!isLive && (
        <div className="message-actions -ml-2">
          <CopyButton text={message.content} label={t("chat.copyMessage")} />
          <Action
            Icon={RefreshCw}
            label={t("chat.again")}
            disabled={!isSettled}
            onClick={() => actions?.again(message)}
          />
          <Action
            Icon={GitFork}
            label={t("chat.fork")}
            disabled={!isSettled}
            onClick={() => actions?.fork(message.id)}
          />
          {actions && (
            <VersionSwitch
              id={message.id}
              versionIds={message.version_ids}
              disabled={!isSettled}
              onShow={actions.show}
            />
          )}
          <UsageNote message={message} />
        </div>
      )}
    </article>
  );
}

interface ActionProps {
  Icon: LucideIcon;
  label: string;
  disabled: boolean;
  onClick: () => void;
}

function Action({ Icon, label, ...rest }: ActionProps) {
  return (
    <button type="button" className="button-quiet" aria-label={label} title={label} {...rest}>
      <Icon size={16} aria-hidden />
    </button>
  );
}

function Reasoning({ text, isOpen }: { text: string; isOpen: boolean }) {
  const { t } = useTranslation();
  return (
    <details
      className="mb-3 rounded-lg border border-line bg-surface px-3 py-2 text-sm text-muted"
      open={isOpen}
    >
      <summary className="cursor-pointer select-none">{t("chat.reasoning")}</summary>
      <div dir="auto" className="mt-2 whitespace-pre-wrap break-words leading-6">
        {text}
      </div>
    </details>
  );
}

function Progress({ message }: { message: Shown }) {
  const { t } = useTranslation();
  if (message.live === "lost") return <p className="mt-2 text-sm text-warn">{t("chat.reconnecting")}</p>;
  if (message.content !== "" || message.reasoning || message.tool_events.length > 0) return null;
  return message.live === "waiting" ? <p className="mt-1 text-sm text-muted">{t("chat.waiting")}</p> : null;
}
