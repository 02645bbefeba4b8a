/** What an answer says and what its tools did, in the order in which it happened. */
import { useDeferredValue, useMemo } from "react";
import { useTranslation } from "react-i18next";

import { Markdown } from "../markdown/markdown";
import type { Shown } from "../messages/shown-messages";
import { ApprovalCard } from "./approval-card";
import { ToolCallItem } from "./tool-call-item";
import { partsOf, type ToolCall, toolCalls } from "./tool-calls";

export function AnswerBody({ message, calls }: { message: Shown; calls: readonly ToolCall[] }) {
  const content = useDeferredValue(message.content); // typing goes before reading
  const parts = useMemo(() => partsOf(content, calls), [content, calls]);
  const isLive = message.status === "streaming" && message.live !== "broken";
  const isActing = calls.some(({ state }) => state === "running" || state === "asking");
  return (
    <>
      {parts.map((part, index) =>
        part.calls ? (
          <Calls key={index} messageId={message.id} calls={part.calls} />
        ) : (
          <Markdown key={index} text={part.text} live={isLive && !isActing && index === parts.length - 1} />
        ),
      )}
      {isLive && !isActing && !parts.at(-1)?.text && <Markdown text="" live />}
    </>
  );
}

function Calls({ messageId, calls }: { messageId: string; calls: readonly ToolCall[] }) {
  const { t } = useTranslation();
  return (
    <ul aria-label={t("tools.calls")} className="my-3 space-y-2 first:mt-0">
      {calls.map((call) => (
        <li key={call.id}>
          {call.state === "asking" ? (
            <ApprovalCard messageId={messageId} call={call} />
          ) : (
            <ToolCallItem call={call} />
          )}
        </li>
      ))}
    </ul>
  );
}

/** The calls of a message's tools; one list as long as nothing happens. */
export function useToolCalls(message: Shown): readonly ToolCall[] {
  const isOver = message.status !== "streaming";
  return useMemo(() => toolCalls(message.tool_events, isOver), [message.tool_events, isOver]);
}
