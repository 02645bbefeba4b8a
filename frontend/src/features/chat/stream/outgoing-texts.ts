/** Texts on their way: kept in this tab until it is known what became of them, also over a reload. */
import { type MessageFiles, NO_FILES, readFiles } from "@/shared/api/attachments";
import type { TabTexts } from "@/shared/lib/tab-texts";

export const OUTGOING_KEY = "prompter.outgoing";

/** A text that was sent with its files; `clientMessageId` names it to the server. */
export interface OutgoingText {
  clientMessageId: string;
  text: string;
  files: MessageFiles;
}

/** One text of each conversation at most. It is kept behind a line with its id and, if any, its files. */
export class OutgoingTexts {
  constructor(private readonly texts: TabTexts) {}

  find(conversationId: string): OutgoingText | null {
    const [head = "", ...lines] = this.texts.get(conversationId).split("\n");
    const [clientMessageId = "", ...files] = head.split(" ");
    if (clientMessageId === "") return null;
    return { clientMessageId, text: lines.join("\n"), files: parseFiles(files.join(" ")) };
  }

  add(conversationId: string, { clientMessageId, text, files }: OutgoingText): void {
    const tail = files.attachments.length === 0 ? "" : ` ${JSON.stringify(files)}`;
    this.texts.set(conversationId, `${clientMessageId}${tail}\n${text}`);
  }

  /** It is known what became of it. A later text of the conversation stays. */
  remove(conversationId: string, clientMessageId: string): void {
    if (this.find(conversationId)?.clientMessageId === clientMessageId) this.texts.set(conversationId, "");
  }
}

function parseFiles(json: string): MessageFiles {
  try {
    return readFiles(JSON.parse(json || "null"));
  } catch {
    return NO_FILES; // another program wrote to it
  }
}
