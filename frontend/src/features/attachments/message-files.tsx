/** The files of a message that was sent: pictures, and cards that open, download and show text. */
import { Download, FileText, X } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Attachment } from "@/shared/api/attachments";

import { CutWarning, describeFile, Thumbnail } from "./file-look";
import { AttachmentViewer, useSave } from "./viewer";

export interface MessageFilesProps {
  attachments: readonly Attachment[];
  /** Called to leave a file out; without it none can be. */
  onRemove?: (id: string) => void;
}

export function MessageFileList({ attachments, onRemove }: MessageFilesProps) {
  const { t } = useTranslation();
  const [open, setOpen] = useState<Attachment | null>(null);
  return (
    <>
      <ul
        aria-label={t("attachments.ofMessage")}
        className={`mb-2 flex max-w-full flex-wrap gap-2 ${onRemove ? "" : "justify-end sm:max-w-[80%]"}`}
      >
        {attachments.map((attachment) => (
          <li key={attachment.id} className="relative min-w-0 max-w-full">
            {attachment.kind === "image" ? (
              <PictureCard attachment={attachment} onOpen={() => setOpen(attachment)} />
            ) : (
              <FileCard attachment={attachment} onOpen={() => setOpen(attachment)} />
            )}
            {onRemove && <RemoveButton name={attachment.name} onRemove={() => onRemove(attachment.id)} />}
          </li>
        ))}
      </ul>
      {open !== null && <AttachmentViewer attachment={open} onClose={() => setOpen(null)} />}
    </>
  );
}

interface CardProps {
  attachment: Attachment;
  onOpen: () => void;
}

function PictureCard({ attachment, onOpen }: CardProps) {
  const { t } = useTranslation();
  const { name, kind } = attachment;
  return (
    <button
      type="button"
      aria-label={t("attachments.open", { name })}
      title={name}
      className="block overflow-hidden rounded-xl border border-line hover:brightness-95"
      onClick={onOpen}
    >
      <Thumbnail kind={kind} name={name} attachment={attachment} className="size-32 sm:size-40" />
    </button>
  );
}

function FileCard({ attachment, onOpen }: CardProps) {
  const { t, i18n } = useTranslation();
  const { name, kind } = attachment;
  return (
    <div className="flex w-full items-start gap-2 rounded-xl border border-line bg-surface p-2 text-sm sm:w-80">
      <Thumbnail
        kind={kind}
        name={name}
        attachment={attachment}
        className="size-10 shrink-0 overflow-hidden rounded-lg"
      />
      <div className="min-w-0 flex-1">
        <p className="[overflow-wrap:anywhere]">{name}</p>
        <p className="text-xs text-muted">{describeFile(t, i18n.language, attachment)}</p>
        <CutWarning attachment={attachment} />
        <p className="-ml-2 flex flex-wrap">
          <CardButton label={t("attachments.showTextOf", { name })} onClick={onOpen}>
            <FileText size={16} aria-hidden />
            {t(kind === "audio" || kind === "video" ? "attachments.play" : "attachments.showText")}
          </CardButton>
          <DownloadButton attachment={attachment} />
        </p>
      </div>
    </div>
  );
}

function DownloadButton({ attachment }: { attachment: Attachment }) {
  const { t } = useTranslation();
  const save = useSave(attachment);
  return (
    <CardButton label={t("attachments.downloadOf", { name: attachment.name })} onClick={save}>
      <Download size={16} aria-hidden />
      {t("attachments.download")}
    </CardButton>
  );
}

interface CardButtonProps {
  label: string;
  onClick: () => void;
  children: ReactNode;
}

function CardButton({ label, onClick, children }: CardButtonProps) {
  return (
    <button type="button" className="button-quiet text-xs" title={label} onClick={onClick}>
      {children}
    </button>
  );
}

function RemoveButton({ name, onRemove }: { name: string; onRemove: () => void }) {
  const { t } = useTranslation();
  return (
    <button
      type="button"
      className="button-quiet absolute right-1 top-1 border border-line bg-surface text-ink"
      aria-label={t("attachments.remove", { name })}
      title={t("attachments.remove", { name })}
      onClick={onRemove}
    >
      <X size={16} aria-hidden />
    </button>
  );
}
