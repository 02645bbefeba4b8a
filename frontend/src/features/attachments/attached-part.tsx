/** The files above the field: what was chosen, dropped or pasted, how far each one is, and what is asked. */
import { RotateCcw, TriangleAlert, X } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import type { Attachment } from "@/shared/api/attachments";
import { formatBytes } from "@/shared/lib/formats";
import { useServices } from "@/shared/services";

import { type AttachedFile, hasFailed, isComing } from "./attached";
import type { AttachedFiles } from "./attached-files";
import { useAttachments } from "./attachments-context";
import { CutWarning, describeFile, Thumbnail } from "./file-look";
import { useFileTexts } from "./file-texts";
import { PictureQuestionDialog } from "./picture-question";
import { AttachmentViewer } from "./viewer";

export function AttachedPart() {
  const attachments = useAttachments();
  const files = useSyncExternalStore(attachments.subscribe, attachments.get);
  useEffect(() => void attachments.load().catch(() => undefined), [attachments]);
  return files === null ? null : <ShownFiles files={files} place={attachments.shown} />;
}

interface ShownProps {
  files: AttachedFiles;
  place: string;
}

function ShownFiles({ files, place }: ShownProps) {
  const { t } = useTranslation();
  const list = useSyncExternalStore(files.subscribe, () => files.list(place));
  const question = useSyncExternalStore(files.subscribe, files.getQuestion);
  const [open, setOpen] = useState<Attachment | null>(null);
  useAnnouncedFiles(list);
  const box = useRef<HTMLUListElement>(null);
  const remove = useRemoval(files, list, box);
  if (list.length === 0) return null;
  const pictures = list.filter(({ kind }) => kind === "image").length;
  return (
    <>
      <ul
        ref={box}
        aria-label={t("attachments.list")}
        className="mb-1 flex max-h-[30vh] flex-wrap gap-2 overflow-y-auto p-1 short:max-h-16"
      >
        {list.map((file) => (
          <FileItem key={file.key} file={file} files={files} onOpen={setOpen} onRemove={remove} />
        ))}
      </ul>
      <Awaited files={files} place={place} list={list} />
      {question?.place === place && <PictureQuestionDialog question={question} count={pictures} />}
      {open !== null && <AttachmentViewer attachment={open} onClose={() => setOpen(null)} />}
    </>
  );
}

interface ItemProps {
  file: AttachedFile;
  files: AttachedFiles;
  onOpen: (attachment: Attachment) => void;
  onRemove: (key: string) => void;
}

function FileItem({ file, files, onOpen, onRemove }: ItemProps) {
  const { t } = useTranslation();
  const { key, name, kind, attachment, state } = file;
  const isReady = state.kind === "ready" && attachment !== null;
  const image = (
    <Thumbnail
      kind={kind}
      name={name}
      attachment={attachment}
      file={files.getSource(key)}
      className="size-12 overflow-hidden rounded-lg"
    />
  );
  return (
    <li
      data-state={state.kind}
      className={`flex w-full min-w-0 items-start gap-2 rounded-xl border bg-raised p-1.5 text-sm sm:w-[calc(50%-0.25rem)] ${state.kind === "failed" ? "border-danger/60" : "border-line"}`}
    >
      {isReady ? (
        <button
          type="button"
          className="shrink-0 rounded-lg"
          aria-label={t("attachments.open", { name })}
          onClick={() => onOpen(attachment)}
        >
          {image}
        </button>
      ) : (
        <span className="shrink-0">{image}</span>
      )}
      <div className="min-w-0 flex-1 py-0.5">
        <p className="line-clamp-2 [overflow-wrap:anywhere]" title={name}>
          {name}
        </p>
        <FileProgress file={file} />
        {attachment !== null && <CutWarning attachment={attachment} />}
        <FileActions file={file} files={files} />
      </div>
      <button
        type="button"
        data-remove
        className="button-quiet -mr-1 -mt-1 shrink-0"
        aria-label={t(isComing(file) ? "attachments.stop" : "attachments.remove", { name })}
        title={t(isComing(file) ? "attachments.stop" : "attachments.remove", { name })}
        onClick={() => onRemove(key)}
      >
        <X size={16} aria-hidden />
      </button>
    </li>
  );
}

/** How far a file is, or what is wrong with it. */
function FileProgress({ file }: { file: AttachedFile }) {
  const { i18n, t } = useTranslation();
  const { wordState } = useFileTexts();
  const { state, attachment, size, name } = file;
  if (state.kind === "ready" && attachment !== null)
    return <p className="text-xs text-muted">{describeFile(t, i18n.language, attachment)}</p>;
  const part = "part" in state ? state.part : null;
  return (
    <>
      <p className={`text-xs ${state.kind === "failed" ? "text-danger" : "text-muted"}`}>
        {wordState(file)}
        {state.kind === "waiting" && ` · ${formatBytes(size, i18n.language)}`}
      </p>
      {isComing(file) && state.kind !== "waiting" && (
        <div
          role="progressbar"
          aria-label={name}
          aria-valuemin={0}
          aria-valuemax={100}
          {...(part === null ? {} : { "aria-valuenow": Math.round(part * 100) })}
          className="mt-1 h-1 overflow-hidden rounded-full bg-line"
        >
          <div
            className={`h-full rounded-full bg-accent transition-[width] ${part === null ? "w-1/3 animate-pulse" : ""}`}
            style={part === null ? undefined : { width: `${part * 100}%` }}
          />
        </div>
      )}
    </>
  );
}

function FileActions({ file, files }: { file: AttachedFile; files: AttachedFiles }) {
  const { t } = useTranslation();
  const { key, purpose, state, name } = file;
  const canRetry = state.kind === "failed" && files.canRetry(key);
  const canAttach = purpose === "dictate" && state.kind !== "waiting";
  if (!canRetry && !canAttach) return null;
  return (
    <p className="-ml-2 flex flex-wrap">
      {canRetry && (
        <ActionButton name={name} onClick={() => files.retry(key)}>
          <RotateCcw size={14} aria-hidden />
          {t("common.retry")}
        </ActionButton>
      )}
      {canAttach && (
        <ActionButton name={name} onClick={() => files.retry(key, true)}>
          {t("attachments.attachInstead")}
        </ActionButton>
      )}
    </p>
  );
}

function ActionButton({
  name,
  onClick,
  children,
}: {
  name: string;
  onClick: () => void;
  children: ReactNode;
}) {
  return (
    <button
      type="button"
      className="button-quiet text-xs font-semibold text-accent"
      title={name}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

/** What a message that is to be sent waits for, and what keeps it from being sent. */
function Awaited({ files, place, list }: ShownProps & { list: readonly AttachedFile[] }) {
  const { t } = useTranslation();
  const isAwaited = useSyncExternalStore(files.subscribe, () => files.isAwaited(place));
  const failed = list.filter(hasFailed);
  if (isAwaited)
    return (
      <div role="status" className="flex flex-wrap items-center gap-x-2 px-2 text-xs text-muted">
        <p className="min-w-0 [overflow-wrap:anywhere]">
          {t("attachments.awaited", { names: nameAll(list.filter(isComing)) })}
        </p>
        <button type="button" className="button-quiet text-xs" onClick={() => files.cancelWaiting(place)}>
          {t("attachments.notYet")}
        </button>
      </div>
    );
  if (failed.length === 0) return null;
  return (
    <p role="alert" className="flex items-start gap-1.5 px-2 pb-1 text-xs">
      <TriangleAlert size={14} aria-hidden className="mt-px shrink-0 text-danger" />
      <span className="min-w-0 [overflow-wrap:anywhere]">
        {t("attachments.blocked", { names: nameAll(failed), count: failed.length })}
      </span>
    </p>
  );
}

function nameAll(files: readonly AttachedFile[]): string {
  return files.map(({ name }) => name).join(", ");
}

/** Tells screen readers once what became of each file. */
function useAnnouncedFiles(list: readonly AttachedFile[]): void {
  const { t } = useTranslation();
  const { announcements } = useServices();
  const { wordState } = useFileTexts();
  const told = useRef(new Map<string, string>());
  useEffect(() => {
    for (const file of list) {
      const before = told.current.get(file.key);
      told.current.set(file.key, file.state.kind);
      if (before === undefined || before === file.state.kind) continue;
      const { name, key, state } = file;
      if (state.kind === "ready") announcements.say(t("attachments.isThere", { name }), `file ${key}`);
      if (state.kind === "failed" || state.kind === "lost")
        announcements.say(`${name}: ${wordState(file)}`, `file ${key}`);
    }
  }, [list, announcements, t, wordState]);
}

/** A function that removes a file; the focus goes to what takes its place, or to the button that attaches. */
function useRemoval(
  files: AttachedFiles,
  list: readonly AttachedFile[],
  box: { current: HTMLElement | null },
): (key: string) => void {
  const index = useRef(-1);
  useEffect(() => {
    const at = index.current;
    index.current = -1;
    if (at < 0 || document.activeElement !== document.body) return;
    const buttons = box.current?.querySelectorAll<HTMLElement>("[data-remove]") ?? [];
    const next = buttons[Math.min(at, buttons.length - 1)];
    (next ?? document.querySelector<HTMLElement>("[data-attach] button"))?.focus();
  }, [list, box]);
  return (key) => {
    index.current = list.findIndex((file) => file.key === key);
    files.remove(key);
  };
}
