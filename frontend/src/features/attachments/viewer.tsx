/** One file at a time, large: a picture, a recording with what is said in it, or a text. */
import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Attachment } from "@/shared/api/attachments";
import { ApiError } from "@/shared/api/client";
import { download } from "@/shared/api/download";
import { keys } from "@/shared/api/queries";
import { wordError } from "@/shared/lib/notes";
import { useServices } from "@/shared/services";
import { CopyButton } from "@/shared/ui/copy-button";
import { Modal } from "@/shared/ui/modal";
import { Notice } from "@/shared/ui/notice";

import { CutWarning, describeFile } from "./file-look";
import { Picture, useAttachmentPart } from "./picture";
import { attachmentPath } from "./server";

interface Props {
  attachment: Attachment;
  onClose: () => void;
}

export function AttachmentViewer({ attachment, onClose }: Props) {
  const { t, i18n } = useTranslation();
  const save = useSave(attachment);
  const { kind, name } = attachment;
  return (
    <Modal title={name} onClose={onClose} className={kind === "image" ? "max-w-5xl" : "max-w-3xl"}>
      {kind === "image" && <BigPicture attachment={attachment} />}
      {(kind === "audio" || kind === "video") && <Player attachment={attachment} />}
      {kind !== "image" && <FileWords attachment={attachment} />}
      <div className="mt-4 flex flex-wrap items-center justify-between gap-2">
        <p className="min-w-0 text-xs text-muted">{describeFile(t, i18n.language, attachment)}</p>
        <button type="button" className="button" onClick={save}>
          <Download size={16} aria-hidden />
          {t("attachments.download")}
        </button>
      </div>
    </Modal>
  );
}

/** A function that downloads a file; where it cannot, it says so. */
export function useSave({ id, name }: Attachment): () => void {
  const { t } = useTranslation();
  const { api, toasts } = useServices();
  return () =>
    void download(api, attachmentPath(id, "content"), name).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      const reason = wordError(t, error);
      toasts.show({ text: t("attachments.notDownloaded", { name, reason }), tone: "error" });
    });
}

function BigPicture({ attachment }: { attachment: Attachment }) {
  const { t } = useTranslation();
  const [isUnreadable, setUnreadable] = useState(false);
  const { data = null, error, refetch } = useAttachmentPart(attachment.id, "content");
  if (isUnreadable) return <p>{t("attachments.notShown")}</p>;
  return (
    <>
      {error !== null && <Failure error={error} onRetry={() => void refetch()} />}
      {data === null && error === null && <p role="status">{t("common.loading")}</p>}
      <Picture
        blob={data}
        label={t("attachments.picture", { name: attachment.name })}
        className="mx-auto h-auto max-h-[70dvh] max-w-full rounded-lg"
        onFailed={() => setUnreadable(true)}
      />
    </>
  );
}

/** The file itself, to be heard or seen. */
function Player({ attachment }: { attachment: Attachment }) {
  const { data = null, error, refetch } = useAttachmentPart(attachment.id, "content");
  const [source, setSource] = useState<string | null>(null);
  useEffect(() => {
    if (data === null) return;
    const url = URL.createObjectURL(data);
    setSource(url);
    return () => URL.revokeObjectURL(url);
  }, [data]);
  if (error !== null) return <Failure error={error} onRetry={() => void refetch()} />;
  if (source === null) return null;
  const { name, kind } = attachment;
  // What is said in it stands below.
  if (kind === "audio") return <audio controls src={source} aria-label={name} className="mb-4 w-full" />;
  return <video controls src={source} aria-label={name} className="mb-4 max-h-[50dvh] w-full rounded-lg" />;
}

/** The text that a model reads of a file. */
function FileWords({ attachment }: { attachment: Attachment }) {
  const { t } = useTranslation();
  const { api } = useServices();
  const { data, error, refetch } = useQuery({
    queryKey: keys.attachment(attachment.id, "text"),
    queryFn: async ({ signal }) =>
      (await api.response(attachmentPath(attachment.id, "text"), { signal })).text(),
    staleTime: Infinity,
    retry: 1,
  });
  if (error !== null) return <Failure error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <p role="status">{t("common.loading")}</p>;
  if (data.trim() === "") return <p className="text-sm text-muted">{t("attachments.noText")}</p>;
  return (
    <>
      <div className="mb-1 flex items-center justify-between gap-2">
        <h3 className="text-sm font-semibold">{t("attachments.text")}</h3>
        <CopyButton text={data} label={t("attachments.copyText")} />
      </div>
      <CutWarning attachment={attachment} />
      <pre
        tabIndex={0}
        dir="auto"
        aria-label={t("attachments.text")}
        role="region"
        className="mt-2 max-h-[50dvh] overflow-auto whitespace-pre-wrap rounded-lg border border-line bg-page p-3 font-mono text-sm [overflow-wrap:anywhere]"
      >
        {data}
      </pre>
    </>
  );
}

function Failure({ error, onRetry }: { error: Error; onRetry: () => void }) {
  const { t } = useTranslation();
  const problem = error instanceof ApiError ? error : { code: "internal_error" };
  return (
    <div role="alert">
      <Notice text={wordError(t, problem)} onRetry={onRetry} />
    </div>
  );
}
