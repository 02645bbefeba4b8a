/** The dialog for a new connection, loaded later; its own frame is there before it. */
import { useTranslation } from "react-i18next";

import { lazyPart, PartStandIn, type StandInProps } from "@/shared/ui/lazy-part";
import { Modal } from "@/shared/ui/modal";

export const LazyConnectDialog = lazyPart(
  async () => (await import("./connect-dialog")).ConnectDialog,
  ConnectFrame,
);

function ConnectFrame({ retry, onClose }: StandInProps & { onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal title={t("connect.title")} onClose={onClose} className="max-w-xl">
      <PartStandIn retry={retry} />
    </Modal>
  );
}
