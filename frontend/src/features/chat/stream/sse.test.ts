/** Server-sent events: every way to cut the text gives the same events. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { type SseEvent, SseParser } from "./sse";

function parse(...pieces: string[]): SseEvent[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.feed(piece));
}

describe("SseParser", () => {
  it("reads name, id and data", () => {
    expect(parse('id: 4.0\nevent: message\ndata: {"content":"Say "}\n\n')).toEqual([
      { id: "4.0", event: "message", data: '{"content":"Say "}' },
    ]);
  });

  it("joins lines of data, and skips comments and empty events", () => {
    expect(parse(": keep open\n\ndata: a\ndata:  b\ndata\n\n:\nevent: none\n\n")).toEqual([
      { id: "", event: "message", data: "a\n b\n" },
    ]);
  });

  it("keeps the last id, and takes none that holds NUL", () => {
    expect(parse("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\nid\ndata: c\n\n").map((event) => event.id)).toEqual([
      "1",
      "1",
      "",
    ]);
  });

  it("gives no event that is not whole", () => {
    expect(parse("data: a\n")).toEqual([]);
  });

  it("takes a byte order mark away once", () => {
    expect(parse("\uFEFFdata: \uFEFFa\n\n")).toEqual([{ id: "", event: "message", data: "\uFEFFa" }]);
  });

  it("gives the same events however the text is cut and whatever ends its lines", () => {
    const text = fc.array(
      fc.constantFrom("data: ñ", 'data: 😀{"a":1}', "id: 9.0", "event: done", ": c", "", "", "x"),
      { maxLength: 12 },
    );
    const ending = fc.constantFrom("\n", "\r", "\r\n");
    fc.assert(
      fc.property(text, ending, fc.array(fc.nat(60), { maxLength: 6 }), (lines, end, cuts) => {
        // the space keeps a last CR from waiting for an LF that never comes
        const whole = lines.join(end) + end + end + " ";
        const places = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
        const pieces = places.slice(1).map((place, i) => whole.slice(places[i], place));
        expect(parse(...pieces)).toEqual(parse(lines.join("\n") + "\n\n "));
      }),
    );
  });
});
