/** The head of a conversation: its title, who answers, and its export. */
import { Download } from "lucide-react";
import { useTranslation } from "react-i18next";

import { ApiError } from "@/shared/api/errors";
import { SidebarButton } from "@/shared/ui/sidebar-button";
import { toasts } from "@/shared/ui/toasts";

import { download } from "../parts/download";
import { Menu } from "../parts/menu";
import { ModelPicker } from "./model-picker";

interface Props {
  conversationId: string | null;
  title: string | null;
  model: string;
  onModel: (model: string) => void;
}

export function ChatHeader({ conversationId, title, model, onModel }: Props) {
  const { t } = useTranslation();
  return (
    <header className="flex h-14 shrink-0 items-center gap-1 border-b border-line px-2 sm:px-4">
      <SidebarButton />
      <h1 dir="auto" className="min-w-0 flex-1 truncate px-1 text-sm font-semibold">
        {title ?? t("chat.newTitle")}
      </h1>
      <ModelPicker model={model} onChoose={onModel} />
      {conversationId !== null && <ExportMenu conversationId={conversationId} />}
    </header>
  );
}

function ExportMenu({ conversationId }: { conversationId: string }) {
  const { t } = useTranslation();
  const get = (format: "markdown" | "json", ending: string) => () =>
    void download(
      `/api/conversations/${conversationId}/export?format=${format}`,
      `conversation.${ending}`,
    ).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      toasts.show({ text: t("chat.exportFailed", { reason: error.message }), tone: "error" });
    });
  const items = [
    { label: t("chat.exportMarkdown"), run: get("markdown", "md") },
    { label: t("chat.exportJson"), run: get("json", "json") },
  ];
  return (
    <Menu label={t("chat.more")} items={items}>
      <Download size={18} aria-hidden />
    </Menu>
  );
}
