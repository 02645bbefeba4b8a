/** The text of an answer and its tool calls, in the order in which they happened. */
import { useDeferredValue, useMemo } from "react";
import { useTranslation } from "react-i18next";

import { Markdown } from "../markdown/markdown";
import type { ShownMessage } from "../stream/shown-messages";
import { ApprovalCard } from "./approval-card";
import { ToolCallItem } from "./tool-call-item";
import { collectToolCalls, splitAnswer, type ToolCall } from "./tool-calls";

export function AnswerBody({ message, calls }: { message: ShownMessage; calls: readonly ToolCall[] }) {
  const content = useDeferredValue(message.content); // typing has priority over rendering
  const parts = useMemo(() => splitAnswer(content, calls), [content, calls]);
  const isLive = message.status === "streaming" && message.live !== "broken";
  const isActing = calls.some(({ state }) => state === "running" || state === "asking");
  return (
    <>
      {parts.map((part, index) =>
        part.calls ? (
          <ToolCallList key={index} messageId={message.id} calls={part.calls} />
        ) : (
          <Markdown key={index} text={part.text} isLive={isLive && !isActing && index === parts.length - 1} />
        ),
      )}
      {isLive && !isActing && !parts.at(-1)?.text && <Markdown text="" isLive />}
    </>
  );
}

function ToolCallList({ messageId, calls }: { messageId: string; calls: readonly ToolCall[] }) {
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

/** The tool calls of a message: the same list until a new event comes. */
export function useToolCalls(message: ShownMessage): readonly ToolCall[] {
  const isOver = message.status !== "streaming";
  return useMemo(() => collectToolCalls(message.tool_events, isOver), [message.tool_events, isOver]);
}
