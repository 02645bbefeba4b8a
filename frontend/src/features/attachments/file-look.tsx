/** How files look wherever they are shown: a thumbnail or an icon, what they are, a warning of cut text. */
import type { TFunction } from "i18next";
import { AudioLines, FileText, Film, Image as ImageIcon, type LucideIcon, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Attachment, AttachmentKind } from "@/shared/api/attachments";
import { formatBytes } from "@/shared/lib/formats";

import { Picture, useAttachmentPart } from "./picture";

const ICONS: Record<AttachmentKind, LucideIcon> = {
  image: ImageIcon,
  text: FileText,
  document: FileText,
  audio: AudioLines,
  video: Film,
};

interface ThumbnailProps {
  kind: AttachmentKind;
  name: string;
  /** What the server has of it. */
  attachment: Attachment | null;
  /** What was chosen on this page, until the server has a thumbnail. */
  file?: Blob | null;
  className: string;
}

export function Thumbnail({ kind, name, attachment, file = null, className }: ThumbnailProps) {
  const { t } = useTranslation();
  const [isUnreadable, setUnreadable] = useState(false);
  const hasOwn = attachment?.has_thumbnail ?? false;
  const { data = null } = useAttachmentPart(attachment?.id ?? "", "thumbnail", hasOwn);
  const blob = hasOwn ? data : kind === "image" ? file : null;
  const Icon = ICONS[kind];
  if (isUnreadable || !(hasOwn || blob !== null))
    return (
      <span className={`grid place-items-center bg-page text-muted ${className}`}>
        <Icon size={22} aria-hidden />
      </span>
    );
  return (
    <Picture
      blob={blob}
      label={t("attachments.picture", { name })}
      className={`bg-page object-cover ${className}`}
      onFailed={() => setUnreadable(true)}
    />
  );
}

/** Size, pages and length of a file, in words. */
export function describeFile(t: TFunction, language: string, attachment: Attachment): string {
  const { size_bytes: bytes, pages, tokens, width, height, kind } = attachment;
  return [
    formatBytes(bytes, language),
    kind === "image" && width !== null && height !== null ? `${width} × ${height}` : "",
    pages === null ? "" : t("attachments.pages", { count: pages }),
    tokens === null || kind === "image" ? "" : t("attachments.tokens", { count: tokens }),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Says that a model reads less than all of a file. */
export function CutWarning({ attachment }: { attachment: Attachment }) {
  const { t } = useTranslation();
  const { tokens, total_tokens: total, cut } = attachment;
  if (!cut) return null;
  return (
    <span className="mt-1 flex w-fit items-start gap-1 rounded-lg border border-warn/50 bg-warn/10 px-1.5 py-0.5 text-xs text-ink">
      <TriangleAlert size={14} aria-hidden className="mt-px shrink-0 text-warn" />
      {tokens === null || total === null
        ? t("attachments.cut")
        : t("attachments.cutAt", { tokens, count: total })}
    </span>
  );
}
