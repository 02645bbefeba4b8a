/** All keys on one sheet. */
import { useTranslation } from "react-i18next";

import { ALT, COMMAND, nameKey } from "@/shared/lib/keyboard";
import { useSettings } from "@/shared/services";
import { Modal } from "@/shared/ui/modal";

type Row = [keys: string[], text: string];

export function ShortcutsSheet({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [{ pushToTalkKey }] = useSettings();
  const everywhere: Row[] = [
    [[nameKey(pushToTalkKey, t)], t("common.keyTalk")],
    [["/"], t("chat.keyboard.compose")],
    [[COMMAND, nameKey("Shift", t), "O"], t("common.keyNew")],
    [[COMMAND, "K"], t("common.keyJump")],
    [[COMMAND, "B"], t("common.keySidebar")],
    [[COMMAND, ","], t("common.keySettings")],
    [["Esc"], t("common.keyEscape")],
    [["?"], t("common.keySheet")],
  ];
  const writing: Row[] = [
    [[nameKey("Enter", t)], t("common.keySend")],
    [[nameKey("Shift", t), nameKey("Enter", t)], t("common.keyLine")],
    [[COMMAND, "Z"], t("common.keyUndo")],
    [["↑"], t("chat.keyboard.editLast")],
  ];
  const conversation: Row[] = [
    [[ALT, "R"], t("chat.keyboard.again")],
    [[ALT, "C"], t("chat.keyboard.copyAnswer")],
    [[ALT, "A"], t("tools.ask.key")],
    [[ALT, "L"], t("dictation.heardKey")],
  ];
  const conversations: Row[] = [
    [["↑", "↓"], t("common.keyList")],
    [["→"], t("common.keyRow")],
    [["F2"], t("common.keyRename")],
    [[nameKey("Delete", t)], t("common.keyDelete")],
  ];
  return (
    <Modal title={t("common.keyboard")} onClose={onClose} className="max-w-3xl">
      <div className="grid gap-x-10 gap-y-6 md:grid-cols-2">
        <Group title={t("chat.keyboard.groups.everywhere")} rows={everywhere} />
        <div className="space-y-6">
          <Group title={t("chat.keyboard.groups.writing")} rows={writing} />
          <Group title={t("chat.keyboard.groups.conversation")} rows={conversation} />
          <Group title={t("chat.keyboard.groups.conversations")} rows={conversations} />
        </div>
      </div>
    </Modal>
  );
}

function Group({ title, rows }: { title: string; rows: readonly Row[] }) {
  return (
    <section>
      <h3 className="mb-1 text-xs font-semibold text-muted">{title}</h3>
      <dl className="divide-y divide-line text-sm">
        {rows.map(([pressed, text]) => (
          <div key={text} className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-1.5">
            <dt>{text}</dt>
            <dd className="ml-auto flex shrink-0 gap-1">
              {pressed.map((key) => (
                <kbd
                  key={key}
                  className="rounded-md border border-line bg-page px-2 py-0.5 font-sans text-xs text-muted"
                >
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
