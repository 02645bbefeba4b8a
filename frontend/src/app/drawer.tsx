/** The sidebar of a narrow page: over everything, until something is chosen or it is left. */
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useModal } from "@/shared/ui/modal";

export function Drawer({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  const { t } = useTranslation();
  const ref = useModal();
  return (
    <dialog
      ref={ref}
      aria-label={t("history.region")}
      className="m-0 h-dvh max-h-none w-80 max-w-[85vw] border-r border-line bg-surface p-0 text-ink backdrop:bg-black/60"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      {children}
    </dialog>
  );
}
