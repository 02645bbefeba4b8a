/** Takes files from the button, from a drop anywhere on the conversation, and from the clipboard. */
import { Mic, Paperclip } from "lucide-react";
import { useTranslation } from "react-i18next";

import { useServices } from "@/shared/services";

import { AttachButton } from "./attach-button";
import { useAttachments } from "./attachments-context";
import { type Incoming, splitRecordings, useIncomingFiles } from "./incoming";

export interface IncomingPartProps {
  /** Marks the place of the caret, and returns what writes the words of a recording there. */
  markCaret: () => (text: string) => void;
}

/** The button, and what lies over the page while a file is dragged over it. */
export function IncomingPart({ markCaret }: IncomingPartProps) {
  const attach = useAttach();
  const take = ({ files, how, hasFolder }: Incoming): void => {
    const [recordings, others] = how === "dropped" ? splitRecordings(files) : [[], files];
    void attach(others, { hasFolder });
    if (recordings.length > 0) void attach(recordings, { write: markCaret() });
  };
  const held = useIncomingFiles(take);
  return (
    <>
      <AttachButton onFiles={(files) => void attach(files)} />
      {held !== null && <DropHint isText={held === "recordings"} />}
    </>
  );
}

function DropHint({ isText }: { isText: boolean }) {
  const { t } = useTranslation();
  const Icon = isText ? Mic : Paperclip;
  return (
    <div
      role="status"
      className="pointer-events-none fixed inset-0 z-40 grid place-items-center bg-page/80 p-4 text-center"
    >
      <p className="flex max-w-md flex-col items-center gap-3 rounded-2xl border-2 border-dashed border-accent bg-surface px-8 py-6 font-semibold shadow-xl">
        <Icon size={28} aria-hidden className="text-accent" />
        {t(isText ? "attachments.dropRecordings" : "attachments.drop")}
      </p>
    </div>
  );
}

interface AttachOptions {
  /** Takes the words of recordings. */
  write?: (text: string) => void;
  hasFolder?: boolean;
}

/** A function that attaches files to the message that is shown, and says what cannot be. */
function useAttach() {
  const { t } = useTranslation();
  const { toasts, announcements } = useServices();
  const attachments = useAttachments();
  return async (files: readonly File[], { write, hasFolder = false }: AttachOptions = {}): Promise<void> => {
    if (hasFolder) toasts.show({ text: t("attachments.noFolders"), tone: "error" });
    if (files.length === 0) return;
    const place = attachments.shown;
    try {
      const store = await attachments.load();
      const { left, most } = store.add(place, files, write ?? null);
      if (left > 0) toasts.show({ text: t("attachments.tooMany", { count: left, most }), tone: "error" });
      const added = files.length - left;
      if (added > 0) announcements.say(t("attachments.added", { count: added }), "files");
    } catch {
      toasts.show({ text: t("common.partMissing"), tone: "error" });
    }
  };
}
