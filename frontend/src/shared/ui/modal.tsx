/** A modal dialog: the browser's own, which keeps the focus inside and closes on Escape. */
import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { useTranslation } from "react-i18next";

import { useServices } from "../services";

interface ModalProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  /** Tailwind classes for its size. */
  className?: string;
}

export function Modal({ title, onClose, children, className = "max-w-lg" }: ModalProps) {
  const { t } = useTranslation();
  const ref = useModal();
  const titleId = useId();
  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === ref.current && onClose()}
      className={`max-h-[92dvh] w-[calc(100%-1.5rem)] rounded-2xl border border-line bg-surface p-0 text-ink shadow-2xl backdrop:bg-black/60 ${className}`}
    >
      <div className="flex items-center justify-between gap-4 border-b border-line px-5 py-3">
        <h2 id={titleId} className="text-base font-semibold">
          {title}
        </h2>
        <button
          type="button"
          className="button-quiet touch-target -mr-2"
          aria-label={t("common.close")}
          onClick={onClose}
        >
          <X size={18} aria-hidden />
        </button>
      </div>
      <div className="p-5">{children}</div>
    </dialog>
  );
}

/**
 * Open a dialog as a modal one while its component is mounted. The element with `data-first` gets the focus,
 * which afterwards returns to where it was.
 */
export function useModal() {
  const { dialogs } = useServices();
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog === null) return;
    if (!dialog.open) dialog.showModal();
    dialogs.add(dialog);
    dialog.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => {
      dialogs.remove(dialog);
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [dialogs]);
  return ref;
}
