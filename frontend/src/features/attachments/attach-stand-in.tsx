/** The button that attaches files, while its part of the page is loading or did not load. */
import { Paperclip } from "lucide-react";
import { useTranslation } from "react-i18next";

export function AttachStandIn({ retry }: { retry: (() => void) | null }) {
  const { t } = useTranslation();
  return (
    <button
      type="button"
      className="button-quiet -mr-1 shrink-0"
      aria-label={t("attachments.add")}
      disabled={retry === null}
      onClick={retry ?? undefined}
    >
      <Paperclip size={20} aria-hidden />
    </button>
  );
}
