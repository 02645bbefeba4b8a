/** Files that come by drag and drop or from the clipboard, anywhere on the conversation. */
import { useEffect, useRef, useState } from "react";

import { isDialogOpen } from "@/shared/lib/keyboard";

import { guessKind } from "./attached";

/** What is held over the page: recordings alone become text where they are dropped. */
export type Held = "files" | "recordings" | null;

export interface Incoming {
  files: readonly File[];
  how: "dropped" | "pasted";
  /** A folder was among them: its files are not there. */
  hasFolder: boolean;
}

/** @param onFiles takes what was dropped or pasted */
export function useIncomingFiles(onFiles: (incoming: Incoming) => void): Held {
  const [held, setHeld] = useState<Held>(null);
  const latest = useRef(onFiles);
  useEffect(() => void (latest.current = onFiles));
  useEffect(() => {
    const drag = watchDrag(setHeld, (incoming) => latest.current(incoming));
    const handlePaste = (event: ClipboardEvent): void => {
      const files = findPasted(event);
      if (files.length === 0) return;
      event.preventDefault();
      latest.current({ files, how: "pasted", hasFolder: false });
    };
    document.addEventListener("paste", handlePaste);
    return () => {
      drag();
      document.removeEventListener("paste", handlePaste);
    };
  }, []);
  return held;
}

/** Follow what is dragged over the page, until the function that is returned is called. */
function watchDrag(onHeld: (held: Held) => void, onDrop: (incoming: Incoming) => void): () => void {
  /** Each element under the mouse tells of its own entering and leaving. */
  let depth = 0;
  const listen = new AbortController();
  const on = (name: string, handle: (event: DragEvent, data: DataTransfer) => void): void =>
    addEventListener(
      name,
      (event) => {
        const { dataTransfer } = event as DragEvent;
        if (dataTransfer !== null && hasFiles(dataTransfer)) handle(event as DragEvent, dataTransfer);
      },
      { signal: listen.signal },
    );
  on("dragenter", (event, data) => {
    event.preventDefault();
    depth += 1;
    if (!isDialogOpen()) onHeld(isRecordingsOnly(data) ? "recordings" : "files");
  });
  on("dragover", (event, data) => {
    event.preventDefault(); // else the browser leaves the page for the file
    data.dropEffect = isDialogOpen() ? "none" : "copy";
  });
  on("dragleave", () => {
    depth = Math.max(depth - 1, 0);
    if (depth === 0) onHeld(null);
  });
  on("drop", (event, data) => {
    event.preventDefault();
    depth = 0;
    onHeld(null);
    if (!isDialogOpen()) onDrop({ how: "dropped", ...readDropped(data) });
  });
  return () => listen.abort();
}

function hasFiles({ types }: DataTransfer): boolean {
  return types.includes("Files");
}

function isRecordingsOnly({ items }: DataTransfer): boolean {
  const files = [...items].filter(({ kind }) => kind === "file");
  return files.length > 0 && files.every(({ type }) => type.startsWith("audio/"));
}

function readDropped({ items, files }: DataTransfer): Pick<Incoming, "files" | "hasFolder"> {
  const entries = [...items].filter(({ kind }) => kind === "file");
  const isFolder = entries.map((item) => item.webkitGetAsEntry?.()?.isDirectory ?? false);
  const kept = [...files].filter((_, index) => isFolder[index] !== true);
  return { files: kept, hasFolder: isFolder.includes(true) };
}

/** Pictures and files of the clipboard; none where it has text, which is meant then, or goes elsewhere. */
export function findPasted({ clipboardData, target }: ClipboardEvent): File[] {
  if (clipboardData === null || isDialogOpen() || isOtherField(target)) return [];
  if (clipboardData.types.includes("text/plain")) return [];
  return [...clipboardData.files].map((file, index) => nameScreenshot(file, index));
}

/** Browsers call each picture of the clipboard "image.png". */
function nameScreenshot(file: File, index: number): File {
  if (file.name !== "image.png") return file;
  const time = new Date(file.lastModified).toTimeString().slice(0, 8).replaceAll(":", "-");
  const name = index === 0 ? `image-${time}.png` : `image-${time}-${index + 1}.png`;
  return new File([file], name, { type: file.type, lastModified: file.lastModified });
}

function isOtherField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable=true]") !== null &&
    target.closest("[data-composer]") === null
  );
}

/** Recordings of what somebody says, and everything else. */
export function splitRecordings(files: readonly File[]): [recordings: File[], others: File[]] {
  const isSound = (file: File): boolean => guessKind(file) === "audio";
  return [files.filter(isSound), files.filter((file) => !isSound(file))];
}
