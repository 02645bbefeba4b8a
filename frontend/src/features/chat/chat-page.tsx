/** A conversation, or the beginning of one. */
import { useTranslation } from "react-i18next";

/** `conversationId` null: nothing has been said yet; the first message makes the conversation and goes to `#/c/<id>`. */
export function ChatPage({ conversationId }: { conversationId: string | null }) {
  const { t } = useTranslation();
  return <section aria-label={t("chat.region")} data-conversation={conversationId} className="flex-1" />;
}
