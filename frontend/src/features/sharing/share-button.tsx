/** The button in the head of a conversation that opens the dialog to share it. The dialog is loaded later. */
import { Share2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { lazyPart, PartStandIn, type StandInProps } from "@/shared/ui/lazy-part";
import { Modal } from "@/shared/ui/modal";

import type { ShareDialogProps } from "./share-dialog";

const ShareDialog = lazyPart(async () => (await import("./share-dialog")).ShareDialog, ShareFrame);

export function ShareButton(props: Omit<ShareDialogProps, "onClose">) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className="button-quiet"
        aria-label={t("share.open")}
        title={t("share.open")}
        aria-haspopup="dialog"
        onClick={() => setOpen(true)}
      >
        <Share2 size={18} aria-hidden />
      </button>
      {isOpen && <ShareDialog {...props} onClose={() => setOpen(false)} />}
    </>
  );
}

function ShareFrame({ retry, onClose }: StandInProps & { onClose: () => void }) {
  return (
    <Modal title={useTranslation().t("share.title")} onClose={onClose} className="max-w-xl">
      <PartStandIn retry={retry} />
    </Modal>
  );
}
