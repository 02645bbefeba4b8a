/** All keys on one sheet. */
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/settings/store";
import { Modal } from "@/shared/ui/modal";

const MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);
const COMMAND = MAC ? "⌘" : "Ctrl";

export function ShortcutsSheet({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [{ pushToTalkKey }] = useSettings();
  const rows = [
    [[pushToTalkKey.replace(/^Key/, "")], t("common.keyTalk")],
    [["Enter"], t("common.keySend")],
    [["Shift", "Enter"], t("common.keyLine")],
    [["Esc"], t("common.keyEscape")],
    [[COMMAND, "Z"], t("common.keyUndo")],
    [[COMMAND, "Shift", "O"], t("common.keyNew")],
    [[COMMAND, "K"], t("common.keySearch")],
    [[COMMAND, "B"], t("common.keySidebar")],
    [[COMMAND, ","], t("common.keySettings")],
    [["F2"], t("common.keyRename")],
    [[t("common.keyDeleteName")], t("common.keyDelete")],
    [["?"], t("common.keySheet")],
  ] as const;
  return (
    <Modal title={t("common.keyboard")} onClose={onClose}>
      <dl className="space-y-2 text-sm">
        {rows.map(([pressed, text]) => (
          <div key={text} className="flex items-center justify-between gap-4">
            <dt>{text}</dt>
            <dd className="flex shrink-0 gap-1">
              {pressed.map((key) => (
                <kbd key={key} className="rounded-md border border-line bg-page px-2 py-0.5 font-sans text-xs text-muted">
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
