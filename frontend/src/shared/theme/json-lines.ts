/** The line at which a text ceases to be JSON. Browsers name it in words of their own, or not at all. */

const TOKEN =
  /\s*(?:([{}[\]:,])|"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/uy;

type Expected = "value" | "value or ]" | "key" | "key or }" | "colon" | "comma" | "end";

/** @returns `line 3`; empty for a text that is JSON */
export function findBrokenLine(text: string): string {
  const open: ("{" | "[")[] = [];
  let expected: Expected = "value";
  let at = 0;
  while (at < text.trimEnd().length) {
    TOKEN.lastIndex = at;
    const [found = "", sign] = TOKEN.exec(text) ?? [];
    const next: Expected | null = found === "" ? null : step(expected, sign ?? found.trimStart(), open);
    if (next === null) return nameLine(text, at);
    expected = next;
    at += found.length;
  }
  return expected === "end" ? "" : nameLine(text, text.trimEnd().length - 1);
}

/** What has to come after a token; null for one that may not stand here. Changes `open`. */
function step(expected: Expected, token: string, open: ("{" | "[")[]): Expected | null {
  const after = (): Expected => (open.length === 0 ? "end" : "comma");
  if (token === "}" || token === "]") {
    const isOpen = open.at(-1) === (token === "}" ? "{" : "[");
    const mayClose = expected === "comma" || expected === (token === "}" ? "key or }" : "value or ]");
    if (!isOpen || !mayClose) return null;
    open.pop();
    return after();
  }
  if (expected === "colon") return token === ":" ? "value" : null;
  if (expected === "comma") return token !== "," ? null : open.at(-1) === "{" ? "key" : "value";
  if (expected === "end" || token === ":" || token === ",") return null;
  if (expected === "key" || expected === "key or }") return token.startsWith('"') ? "colon" : null;
  if (token !== "{" && token !== "[") return after();
  open.push(token);
  return token === "{" ? "key or }" : "value or ]";
}

function nameLine(text: string, at: number): string {
  const start = at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
  return `line ${text.slice(0, start).split("\n").length}`;
}
