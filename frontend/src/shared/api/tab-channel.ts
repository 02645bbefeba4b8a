/** Tells the other tabs of this browser that a conversation has changed, and listens to them. */

type Listener = (conversationId: string) => void;

export class TabChannel {
  readonly #channel: BroadcastChannel | null;
  readonly #listeners = new Set<Listener>();

  constructor(name: string) {
    this.#channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(name);
    if (this.#channel === null) return;
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === "string") this.#listeners.forEach((listener) => listener(data));
    };
  }

  /** Announce that this page has changed, renamed or deleted a conversation. */
  readonly announce = (conversationId: string): void => this.#channel?.postMessage(conversationId);

  /** The listener is never called for what this page itself announces. */
  subscribe(listener: Listener): void {
    this.#listeners.add(listener);
  }
}
