/** The header of a conversation: its title, the choice of a model, sharing, and the export. */
import { Download } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { EXPORT_FORMATS, useExport } from "@/shared/lib/exporting";
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
      <h1 dir="auto" className="min-w-0 flex-1 basis-16 truncate px-1 text-sm font-semibold">
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
  const run = useExport();
  const items = EXPORT_FORMATS.map((format) => ({
    label: t(`exports.${format}`),
    run: () => void run({ id: conversationId }, format),
  }));
  return (
    <Menu label={t("exports.run")} items={items}>
      <Download size={18} aria-hidden />
    </Menu>
  );
}
