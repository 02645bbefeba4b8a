/**
 * What is lost with a log-out: unsent text, a running dictation, and recorded speech without a text. Tabs of
 * one browser ask each other.
 */

export type UnsentKind = "text" | "dictation" | "speech";

type Message = { ask: string } | { answer: string; kinds: UnsentKind[] };

/** How long the other tabs may take to answer: those in the background are slower. */
const ANSWER_MS = 500;

export class UnsentWork {
  readonly #checks: [UnsentKind, () => boolean][] = [];
  readonly #channel: BroadcastChannel | null;

  constructor(name: string) {
    this.#channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(name);
    this.#channel?.addEventListener("message", ({ data }: MessageEvent<Message>) => {
      if ("ask" in data) this.#send({ answer: data.ask, kinds: this.find() });
    });
  }

  /** `check` says whether there is such work in this tab. */
  register(kind: UnsentKind, check: () => boolean): void {
    this.#checks.push([kind, check]);
  }

  /** The kinds of work in this tab. */
  find(): UnsentKind[] {
    return [...new Set(this.#checks.filter(([, check]) => check()).map(([kind]) => kind))];
  }

  /** The kinds of work in the other tabs. */
  async findElsewhere(): Promise<UnsentKind[]> {
    const channel = this.#channel;
    if (channel === null) return [];
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    const found = new Set<UnsentKind>();
    const listen = ({ data }: MessageEvent<Message>): void => {
      if ("answer" in data && data.answer === id) data.kinds.forEach((kind) => found.add(kind));
    };
    channel.addEventListener("message", listen);
    this.#send({ ask: id });
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    channel.removeEventListener("message", listen);
    return [...found];
  }

  #send(message: Message): void {
    this.#channel?.postMessage(message);
  }
}
