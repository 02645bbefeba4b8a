/** The files of a message, drawn by another feature: the page hands the function down. */
import { createContext, type ReactNode, useContext } from "react";

import type { Attachment } from "@/shared/api/attachments";

interface Props {
  attachments: readonly Attachment[];
  /** Called to leave a file out; without it none can be. */
  onRemove?: (id: string) => void;
}

/** Draws the files of a message. */
export type RenderFiles = (props: Props) => ReactNode;

export const RenderFilesContext = createContext<RenderFiles | null>(null);

/** Nothing where the message has no files. */
export function MessageFiles(props: Props) {
  const render = useContext(RenderFilesContext);
  return props.attachments.length === 0 ? null : render?.(props);
}
