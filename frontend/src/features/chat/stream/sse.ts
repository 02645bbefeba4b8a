/** Parses server-sent events from text that arrives in pieces, as the HTML standard says (9.2.6). Pure. */

export interface SseEvent {
  /** The last `id` that was sent, with this event or before it; "" before any. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Feed text as it arrives; returned are the events that are complete. */
export class SseParser {
  #rest = "";
  #hasStarted = false;
  #id = "";
  #name = "";
  #data: string[] = [];

  feed(text: string): SseEvent[] {
    this.#rest += text;
    if (!this.#hasStarted && this.#rest !== "") {
      this.#hasStarted = true;
      if (this.#rest.startsWith("\uFEFF")) this.#rest = this.#rest.slice(1);
    }
    const events: SseEvent[] = [];
    for (let line = this.#nextLine(); line !== null; line = this.#nextLine()) {
      const event = this.#readLine(line);
      if (event) events.push(event);
    }
    return events;
  }

  /** The next complete line. A CR at the end of the text waits: its LF may be in the next piece. */
  #nextLine(): string | null {
    const end = this.#rest.search(/[\r\n]/);
    if (end < 0 || (this.#rest[end] === "\r" && end === this.#rest.length - 1)) return null;
    const line = this.#rest.slice(0, end);
    const wide = this.#rest[end] === "\r" && this.#rest[end + 1] === "\n";
    this.#rest = this.#rest.slice(end + (wide ? 2 : 1));
    return line;
  }

  #readLine(line: string): SseEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null; // a comment keeps the connection open
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch(): SseEvent | null {
    const event = { id: this.#id, event: this.#name || "message", data: this.#data.join("\n") };
    const empty = this.#data.length === 0;
    this.#name = "";
    this.#data = [];
    return empty ? null : event;
  }
}
