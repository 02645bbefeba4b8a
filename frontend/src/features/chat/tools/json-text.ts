/** Formats arguments and results of tools for people: JSON indented, invisible characters escaped. Pure. */

/** The rest of a longer value is in the export. */
export const MAX_CHARS = 20_000;

interface FormattedValue {
  text: string;
  /** How many characters are left out. */
  omittedChars: number;
}

export function formatValue(value: unknown): FormattedValue {
  const text = typeof value === "string" ? indentJson(value) : (JSON.stringify(value, null, 2) ?? "");
  if (text.length <= MAX_CHARS) return { text: escapeInvisible(text), omittedChars: 0 };
  return { text: escapeInvisible(text.slice(0, MAX_CHARS)), omittedChars: text.length - MAX_CHARS };
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/**
 * JSON with line breaks and indents; any other text unchanged. JSON is copied token by token: parsing would
 * take digits from long numbers.
 */
export function indentJson(text: string): string {
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

/** Control characters, and characters that reverse the order of a text. */
const INVISIBLE =
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Escape invisible characters: a user must see everything that they approve. */
export function escapeInvisible(text: string): string {
  return text.replace(INVISIBLE, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
