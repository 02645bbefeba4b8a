/** A button that connects a model, which new conversations then ask, and its dialog. */
import { Plug } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/services";

import { LazyConnectDialog } from "./lazy-connect-dialog";

/** Button and dialog apart: the dialog shows its result also where the place of the button has changed. */
export function useConnecting(look: "button" | "button-brand"): { button: ReactNode; dialog: ReactNode } {
  const { t } = useTranslation();
  const [, change] = useSettings();
  const [isOpen, setOpen] = useState(false);
  return {
    button: (
      <button type="button" className={`${look} min-h-11`} onClick={() => setOpen(true)}>
        <Plug size={16} aria-hidden />
        {t("connect.open")}
      </button>
    ),
    dialog: isOpen && (
      <LazyConnectDialog onConnected={(chatModel) => change({ chatModel })} onClose={() => setOpen(false)} />
    ),
  };
}

export function ConnectButton() {
  const { button, dialog } = useConnecting("button");
  return (
    <>
      {button}
      {dialog}
    </>
  );
}
