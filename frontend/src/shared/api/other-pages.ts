/** Tells the browser's other pages of this app that a conversation has changed, and hears it from them. */

type Heard = (conversationId: string) => void;

export class OtherPages {
  readonly #channel: BroadcastChannel | null;
  readonly #heard = new Set<Heard>();

  constructor(name: string) {
    this.#channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(name);
    if (this.#channel === null) return;
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === "string") this.#heard.forEach((heard) => heard(data));
    };
  }

  /** Changed here, renamed or deleted. */
  readonly tell = (conversationId: string): void => this.#channel?.postMessage(conversationId);

  /** Never for what this page itself tells. */
  hear(heard: Heard): void {
    this.#heard.add(heard);
  }
}

export const otherPages = new OtherPages("prompter.conversations");
