/** A modal dialog: the browser's own, which keeps the focus inside and closes on Escape. */
import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { useTranslation } from "react-i18next";

import { isEscape } from "../lib/keyboard";
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
  /** By Escape or beside the dialog, which happens by mistake: its buttons close it in any case. */
  const leave = (): void => {
    if (ref.current !== null && !holdsUnsaved(ref.current)) onClose();
  };
  return (
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      onKeyDown={(event) => {
        // Chrome closes a dialog at the second Escape, whatever becomes of `cancel`.
        if (isEscape(event) && holdsUnsaved(event.currentTarget)) event.preventDefault();
      }}
      onCancel={(event) => {
        event.preventDefault();
        leave();
      }}
      onClick={(event) => event.target === ref.current && leave()}
      className={`safe-inset max-h-[calc(92dvh-2*var(--safe-y))] w-[calc(100%-1.5rem-2*var(--safe-x))] rounded-2xl border border-line bg-surface p-0 text-ink shadow-2xl backdrop:bg-black/60 ${className}`}
    >
      <div className="flex items-center justify-between gap-4 border-b border-line px-5 py-3">
        <h2 id={titleId} className="min-w-0 text-base font-semibold [overflow-wrap:anywhere]">
          {title}
        </h2>
        <button type="button" className="button-quiet -mr-2" aria-label={t("common.close")} onClick={onClose}>
          <X size={18} aria-hidden />
        </button>
      </div>
      <div className="p-5">{children}</div>
    </dialog>
  );
}

/** Whether something typed or shown, marked by `data-unsaved`, would be lost with its page or dialog. */
export function holdsUnsaved(place: ParentNode): boolean {
  return place.querySelector("[data-unsaved=true]") !== null;
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
