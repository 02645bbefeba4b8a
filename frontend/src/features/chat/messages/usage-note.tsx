/** Who answered, and how many tokens it took. */
import { useTranslation } from "react-i18next";

import { localeOf } from "@/shared/lib/dates";

import type { Usage } from "../stream/chat-events";
import type { Shown } from "./shown-messages";

export function UsageNote({ message }: { message: Shown }) {
  const { t, i18n } = useTranslation();
  const usage = message.usage as Usage | null;
  const read = usage?.prompt_tokens ?? 0;
  const written = usage?.completion_tokens ?? 0;
  const count = usage?.total_tokens ?? read + written;
  const detail = t(usage?.estimated ? "chat.tokensEstimated" : "chat.tokensDetail", { read, written });
  const time = message.timestamp ? new Date(message.timestamp) : null;
  return (
    <p className="flex min-w-0 flex-wrap px-2 gap-x-2 text-xs text-muted">
      {message.model && (
        <span className="max-w-48 truncate" title={message.model}>
          {message.model.slice(message.model.indexOf("/") + 1)}
        </span>
      )}
      {count > 0 && (
        <span title={detail}>
          {usage?.estimated ? "≈ " : ""}
          {t("chat.tokens", { count })}
          <span className="sr-only">, {detail}</span>
        </span>
      )}
      {time && (
        <time
          dateTime={message.timestamp}
          title={time.toLocaleString(localeOf(i18n.language))}
          className="hidden sm:inline"
        >
          {time.toLocaleTimeString(localeOf(i18n.language), { hour: "2-digit", minute: "2-digit" })}
        </time>
      )}
    </p>
  );
}
