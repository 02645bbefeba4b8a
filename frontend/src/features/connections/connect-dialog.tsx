/** The form for a new connection in a dialog. It is loaded when it is first opened. */
import { useTranslation } from "react-i18next";

import { Modal } from "@/shared/ui/modal";

import { ConnectForm } from "./connect-form";

interface Props {
  onConnected: (model: string) => void;
  onClose: () => void;
}

export function ConnectDialog({ onConnected, onClose }: Props) {
  const { t } = useTranslation();
  return (
    <Modal title={t("connect.title")} onClose={onClose} className="max-w-xl">
      <ConnectForm onConnected={onConnected} onClose={onClose} />
    </Modal>
  );
}
