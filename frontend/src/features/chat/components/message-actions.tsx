/** The buttons below a message: actions on it, and its versions (edits of a question, answers to one). */
import { ChevronLeft, ChevronRight, type LucideIcon } from "lucide-react";
import { useTranslation } from "react-i18next";

import type { MessageActions } from "../conversation-actions";
import type { ShownMessage } from "../stream/shown-messages";

export interface MessageProps {
  message: ShownMessage;
  /** The message is stored and no answer is streaming. */
  isEditable: boolean;
  actions: MessageActions | null;
}

interface ActionButtonProps {
  Icon: LucideIcon;
  label: string;
  disabled: boolean;
  onClick: () => void;
}

export function ActionButton({ Icon, label, ...rest }: ActionButtonProps) {
  return (
    <button type="button" className="button-quiet" aria-label={label} title={label} {...rest}>
      <Icon size={16} aria-hidden />
    </button>
  );
}

/** Nothing where the message has one version only. */
export function VersionSwitch({ message, isEditable, actions }: MessageProps) {
  const { t } = useTranslation();
  const { id, version_ids: versionIds } = message;
  const at = versionIds.indexOf(id);
  if (!actions || versionIds.length < 2 || at < 0) return null;
  const renderStep = (to: string | undefined, label: string, Icon: LucideIcon) => (
    <button
      type="button"
      className="button-quiet min-w-7 px-0.5 touch:min-w-target"
      aria-label={label}
      title={label}
      disabled={!isEditable || to === undefined}
      onClick={() => to !== undefined && actions.show(to)}
    >
      <Icon size={16} aria-hidden />
    </button>
  );
  const label = t("chat.version", { n: at + 1, of: versionIds.length });
  return (
    <div role="group" aria-label={label} className="flex items-center text-xs text-muted">
      {renderStep(versionIds[at - 1], t("chat.previousVersion"), ChevronLeft)}
      <span aria-hidden="true" className="tabular-nums">
        {at + 1}/{versionIds.length}
      </span>
      {renderStep(versionIds[at + 1], t("chat.nextVersion"), ChevronRight)}
    </div>
  );
}
