/** The place where notices appear; screen readers read them politely. */
import { X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { createPortal } from "react-dom";
import { useTranslation } from "react-i18next";

import { useServices } from "../services";
import type { Toast } from "./toasts";

export function Toaster() {
  const { toasts, dialogs } = useServices();
  const shown = useSyncExternalStore(toasts.subscribe, toasts.get);
  const dialog = useSyncExternalStore(dialogs.subscribe, dialogs.top);
  const notices = (
    <div
      role="status"
      className="pointer-events-none fixed inset-x-0 bottom-40 z-50 flex flex-col items-center gap-2 px-4 md:[#root:has(aside)_&]:left-72"
    >
      {shown.map((toast) => (
        <ToastNotice key={toast.id} toast={toast} />
      ))}
    </div>
  );
  return dialog === null ? notices : createPortal(notices, dialog);
}

function ToastNotice({ toast }: { toast: Toast }) {
  const { t } = useTranslation();
  const { toasts } = useServices();
  const { action } = toast;
  return (
    <div className="pointer-events-auto flex max-w-full items-center gap-2 rounded-xl border border-line bg-raised py-1.5 pl-4 pr-1.5 text-sm shadow-lg">
      <span className={toast.tone === "error" ? "text-danger" : "text-ink"}>{toast.text}</span>
      {action && (
        <button
          type="button"
          className="button-quiet font-semibold text-accent"
          onClick={() => {
            action.run();
            toasts.dismiss(toast.id);
          }}
        >
          {action.label}
        </button>
      )}
      <button
        type="button"
        className="button-quiet"
        aria-label={t("common.close")}
        onClick={() => toasts.dismiss(toast.id)}
      >
        <X size={16} aria-hidden />
      </button>
    </div>
  );
}
