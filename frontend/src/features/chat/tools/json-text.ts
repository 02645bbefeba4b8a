/** Arguments and results as a person reads them: JSON on lines of its own, what cannot be seen written out. Pure. */

/** More is in the export, and in nobody's way here. */
export const MOST_CHARS = 20_000;

export interface Readable {
  text: string;
  /** Characters that are left out. */
  cut: number;
}

/** What a tool was asked for or has given: always text, whatever it holds. */
export function readable(value: unknown): Readable {
  const text = typeof value === "string" ? indented(value) : (JSON.stringify(value, null, 2) ?? "");
  if (text.length <= MOST_CHARS) return { text: visible(text), cut: 0 };
  return { text: visible(text.slice(0, MOST_CHARS)), cut: text.length - MOST_CHARS };
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** JSON with line breaks and indents; all else as it is. Token by token, so that no long number loses its digits. */
export function indented(text: string): string {
  if (!/^\s*[{[]/.test(text) || !isJson(text)) return text;
  let depth = 0;
  let out = "";
  let before = "";
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    const opened = before === "{" || before === "[";
    if (before !== "" && (opened ? !closes : closes || before === ",")) out += `\n${"  ".repeat(depth)}`;
    out += token === ":" ? ": " : token;
    if (token === "{" || token === "[") depth += 1;
    before = token;
  }
  return out;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Control characters, and those that turn the order of a text around: nobody approves what they cannot read. */
const UNSEEN =
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

export function visible(text: string): string {
  return text.replace(UNSEEN, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
