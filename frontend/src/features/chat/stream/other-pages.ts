/** Tells the browser's other pages of this app that a conversation has changed, and hears it from them. */

const CHANNEL = "prompter.conversations";

export interface OtherPages {
  tell(conversationId: string): void;
}

/** `heard` is called with a conversation's id, never for what this page itself tells. */
export function otherPages(heard: (conversationId: string) => void): OtherPages {
  if (typeof BroadcastChannel === "undefined") return { tell: () => undefined };
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "string") heard(data);
  };
  return { tell: (conversationId) => channel.postMessage(conversationId) };
}
