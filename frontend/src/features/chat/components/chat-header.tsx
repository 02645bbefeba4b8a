/** The header of a conversation: its title, the choice of a model, sharing, and the export. */
import { Download } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { ApiError } from "@/shared/api/client";
import { download } from "@/shared/api/download";
import { wordError } from "@/shared/lib/notes";
import { useServices } from "@/shared/services";
import { Menu } from "@/shared/ui/menu";
import { PageHeader } from "@/shared/ui/page-header";

import { ModelPicker } from "./model-picker";

interface Props {
  conversationId: string | null;
  title: string | null;
  model: string;
  onModel: (model: string) => void;
  /** The button that shares a conversation. */
  share?: ((conversationId: string) => ReactNode) | undefined;
}

export function ChatHeader({ conversationId, title, model, onModel, share }: Props) {
  const { t } = useTranslation();
  return (
    <PageHeader>
      <h1 dir="auto" className="min-w-0 flex-1 basis-24 truncate px-1 text-sm font-semibold">
        {title ?? t("chat.newTitle")}
      </h1>
      <ModelPicker model={model} onChoose={onModel} />
      {conversationId !== null && share?.(conversationId)}
      {conversationId !== null && <ExportMenu conversationId={conversationId} />}
    </PageHeader>
  );
}

function ExportMenu({ conversationId }: { conversationId: string }) {
  const { t } = useTranslation();
  const { api, toasts } = useServices();
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const timezone = timeZone === "Etc/Unknown" ? "UTC" : timeZone; // how a browser says that it does not know
  const save = (format: "markdown" | "json", ending: string) => () =>
    void download(
      api,
      `/api/conversations/${conversationId}/export?${new URLSearchParams({ format, timezone })}`,
      `conversation.${ending}`,
    ).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      toasts.show({ text: t("chat.exportFailed", { reason: wordError(t, error) }), tone: "error" });
    });
  const items = [
    { label: t("chat.exportMarkdown"), run: save("markdown", "md") },
    { label: t("chat.exportJson"), run: save("json", "json") },
  ];
  return (
    <Menu label={t("chat.more")} items={items}>
      <Download size={18} aria-hidden />
    </Menu>
  );
}
