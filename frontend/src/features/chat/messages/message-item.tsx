/** One message of a conversation, and what can be done with it. */
import { memo } from "react";

import type { ConversationActions } from "../use-conversation-chat";
import { AssistantMessage } from "./assistant-message";
import type { Shown } from "./shown-messages";
import { UserMessage } from "./user-message";

export interface MessageProps {
  message: Shown;
  /** Nothing is on its way, so that it can be changed. */
  isSettled: boolean;
  actions: ConversationActions | null;
}

export const MessageItem = memo(function MessageItem(
  props: MessageProps & { isEdited: boolean; onEdit: (id: string | null) => void },
) {
  const { message } = props;
  if (message.role === "user") return <UserMessage {...props} />;
  return message.role === "assistant" ? <AssistantMessage {...props} /> : null;
});
