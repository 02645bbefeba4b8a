/** Texts on their way: kept in this tab until it is known what became of them, also over a reload. */
import type { TabTexts } from "@/shared/lib/tab-texts";

export const OUTGOING_KEY = "prompter.outgoing";

/** A text that was sent; `clientMessageId` names it to the server. */
export interface OutgoingText {
  clientMessageId: string;
  text: string;
}

/** One text of each conversation at most. */
export class OutgoingTexts {
  constructor(private readonly texts: TabTexts) {}

  find(conversationId: string): OutgoingText | null {
    const [clientMessageId = "", ...lines] = this.texts.get(conversationId).split("\n");
    return clientMessageId === "" ? null : { clientMessageId, text: lines.join("\n") };
  }

  add(conversationId: string, { clientMessageId, text }: OutgoingText): void {
    this.texts.set(conversationId, `${clientMessageId}\n${text}`);
  }

  /** It is known what became of it. A later text of the conversation stays. */
  remove(conversationId: string, clientMessageId: string): void {
    if (this.find(conversationId)?.clientMessageId === clientMessageId) this.texts.set(conversationId, "");
  }
}
