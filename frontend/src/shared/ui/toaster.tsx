/** The place where notices appear, and where screen readers find what they are told. */
import { X } from "lucide-react";
import {
  type CSSProperties,
  type FocusEvent,
  type MouseEvent,
  type RefObject,
  useEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { createPortal } from "react-dom";
import { useTranslation } from "react-i18next";

import { useServices } from "../services";
import type { Toast } from "./toasts";

/** Above the lowest buttons of a dialog. */
const IN_DIALOG = "9.5rem";

export function Toaster() {
  const { toasts, dialogs } = useServices();
  const shown = useSyncExternalStore(toasts.subscribe, toasts.get);
  const floorPx = useSyncExternalStore(toasts.subscribe, toasts.getFloorPx);
  const dialog = useSyncExternalStore(dialogs.subscribe, dialogs.top);
  useSpokenToasts(shown);
  const { t } = useTranslation();
  const { handleFocus, goBack } = useFocusReturn();
  const notices = (
    <div
      onFocus={handleFocus}
      className="above-floor pointer-events-none fixed inset-x-0 z-50 flex flex-col items-center gap-2 px-[calc(1rem+var(--safe-x))] md:[.has-sidebar_&]:left-72"
      style={{ "--floor": dialog === null ? `${floorPx}px` : IN_DIALOG } as CSSProperties}
    >
      <LiveRegion />
      {shown.length > 0 && (
        <section aria-label={t("common.notices")} className="flex max-w-full flex-col items-center gap-2">
          {shown.map((toast) => (
            <ToastNotice key={toast.id} toast={toast} onPressed={goBack} />
          ))}
        </section>
      )}
    </div>
  );
  return dialog === null ? notices : createPortal(notices, dialog);
}

/** Notices appear above this element, for as long as it is there. */
export function useToastFloor(element: RefObject<HTMLElement | null>): void {
  const { toasts } = useServices();
  useEffect(() => {
    const floor = element.current;
    if (floor === null) return;
    const observer = new ResizeObserver(() => toasts.setFloorPx(floor.offsetHeight));
    observer.observe(floor);
    return () => {
      observer.disconnect();
      toasts.setFloorPx(0);
    };
  }, [element, toasts]);
}

/** The way back to where the focus was, for who has pressed a button of a notice by keyboard. */
function useFocusReturn() {
  const before = useRef<Element | null>(null);
  return {
    handleFocus: ({ relatedTarget, currentTarget }: FocusEvent): void => {
      if (relatedTarget instanceof Element && !currentTarget.contains(relatedTarget))
        before.current = relatedTarget;
    },
    goBack: ({ detail }: MouseEvent): void => {
      if (detail > 0) return; // by mouse or finger
      const place = before.current?.isConnected ? before.current : document.querySelector("[data-composer]");
      if (place instanceof HTMLElement) place.focus();
    },
  };
}

/** Errors at once: the user must act. The rest when nobody dictates. */
function useSpokenToasts(shown: readonly Toast[]): void {
  const { announcements } = useServices();
  const lastId = useRef(0);
  useEffect(() => {
    for (const { id, text, tone, action } of shown) {
      if (id <= lastId.current) continue;
      lastId.current = id;
      const told = action ? `${text} ${action.label}` : text;
      if (tone === "error") announcements.read(told);
      else announcements.say(told, "notice");
    }
  }, [shown, announcements]);
}

function LiveRegion() {
  const { announcements } = useServices();
  const { text, id } = useSyncExternalStore(announcements.subscribe, announcements.get);
  const [firstId] = useState(id); // what was told before a dialog opened is not told again in it
  return (
    <div role="status" data-testid="told" className="sr-only">
      {id > firstId && text}
      {id % 2 === 1 && "\u00a0" /* the same text again must be a change */}
    </div>
  );
}

interface ToastNoticeProps {
  toast: Toast;
  /** Called when one of its buttons was pressed, so that it goes. */
  onPressed: (event: MouseEvent) => void;
}

function ToastNotice({ toast, onPressed }: ToastNoticeProps) {
  const { t } = useTranslation();
  const { toasts } = useServices();
  const { action } = toast;
  return (
    <div className="pointer-events-auto flex max-w-full items-center gap-2 rounded-xl border border-line bg-raised py-1.5 pl-4 pr-1.5 text-sm shadow-lg">
      <span className={`min-w-0 break-words ${toast.tone === "error" ? "text-danger" : "text-ink"}`}>
        {toast.text}
      </span>
      {action && (
        <button
          type="button"
          className="button-quiet font-semibold text-accent"
          onClick={(event) => {
            action.run();
            toasts.dismiss(toast.id);
            onPressed(event);
          }}
        >
          {action.label}
        </button>
      )}
      <button
        type="button"
        className="button-quiet"
        aria-label={t("common.close")}
        onClick={(event) => {
          toasts.dismiss(toast.id);
          onPressed(event);
        }}
      >
        <X size={16} aria-hidden />
      </button>
    </div>
  );
}
