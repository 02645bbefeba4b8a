/** Goes through the versions of a message: edits of a question, answers to one. */
import { ChevronLeft, ChevronRight, type LucideIcon } from "lucide-react";
import { useTranslation } from "react-i18next";

interface Props {
  id: string;
  versionIds: readonly string[];
  disabled: boolean;
  onShow: (messageId: string) => void;
}

export function VersionSwitch({ id, versionIds, disabled, onShow }: Props) {
  const { t } = useTranslation();
  const at = versionIds.indexOf(id);
  if (versionIds.length < 2 || at < 0) return null;
  const step = (to: string | undefined, label: string, Icon: LucideIcon) => (
    <button
      type="button"
      className="button-quiet min-w-7 px-0.5"
      aria-label={label}
      title={label}
      disabled={disabled || to === undefined}
      onClick={() => to !== undefined && onShow(to)}
    >
      <Icon size={16} aria-hidden />
    </button>
  );
  const said = t("chat.version", { n: at + 1, of: versionIds.length });
  return (
    <div role="group" aria-label={said} className="flex items-center text-xs text-muted">
      {step(versionIds[at - 1], t("chat.previousVersion"), ChevronLeft)}
      <span aria-hidden="true" className="tabular-nums">
        {at + 1}/{versionIds.length}
      </span>
      {step(versionIds[at + 1], t("chat.nextVersion"), ChevronRight)}
    </div>
  );
}
