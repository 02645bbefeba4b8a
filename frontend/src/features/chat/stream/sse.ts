/** Server-sent events cut out of text that arrives in pieces: pure, as the HTML standard has it (9.2.6). */

export interface SseEvent {
  /** The last `id` that was sent, with this event or before it; "" before any. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Takes text as it comes and gives back the events that are whole. */
export class SseParser {
  private rest = "";
  private started = false;
  private id = "";
  private name = "";
  private data: string[] = [];

  feed(text: string): SseEvent[] {
    this.rest += text;
    if (!this.started && this.rest !== "") {
      this.started = true;
      if (this.rest.startsWith("\uFEFF")) this.rest = this.rest.slice(1);
    }
    const events: SseEvent[] = [];
    for (let line = this.nextLine(); line !== null; line = this.nextLine()) {
      const event = this.read(line);
      if (event) events.push(event);
    }
    return events;
  }

  /** The next whole line. A CR at the end of what is there waits: its LF may be in the next piece. */
  private nextLine(): string | null {
    const end = this.rest.search(/[\r\n]/);
    if (end < 0 || (this.rest[end] === "\r" && end === this.rest.length - 1)) return null;
    const line = this.rest.slice(0, end);
    const wide = this.rest[end] === "\r" && this.rest[end + 1] === "\n";
    this.rest = this.rest.slice(end + (wide ? 2 : 1));
    return line;
  }

  private read(line: string): SseEvent | null {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null; // a comment, which keeps the line open
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.name = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
    return null;
  }

  private dispatch(): SseEvent | null {
    const event = { id: this.id, event: this.name || "message", data: this.data.join("\n") };
    const empty = this.data.length === 0;
    this.name = "";
    this.data = [];
    return empty ? null : event;
  }
}
