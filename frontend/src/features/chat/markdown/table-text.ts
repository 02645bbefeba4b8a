/** A table as text that other programs read: CSV, tab-separated values, Markdown. */

/** The texts of the cells, row by row. */
export function readCells(
  table: HTMLTableElement,
  read = (cell: HTMLElement) => readPlain(cell),
): string[][] {
  return [...table.rows].map((row) => [...row.cells].map((cell) => read(cell)));
}

export const toCsv = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => row.map((cell) => quote(disarm(cell))).join(",")).join("\r\n");

export const toTsv = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => row.map((cell) => disarm(cell).replace(/[\t\r\n]+/g, " ")).join("\t")).join("\n");

/** @param rows cells in Markdown, the first row is the head */
export function toMarkdownTable(rows: readonly (readonly string[])[], aligns: readonly string[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, index) => RULES[aligns[index] ?? ""] ?? "---");
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

const RULES: Record<string, string> = { left: ":--", center: ":-:", right: "--:" };

/** A table that is copied as Markdown keeps what its words have. */
export function readMarkdownTable(table: HTMLTableElement): string {
  const aligns = [...(table.rows[0]?.cells ?? [])].map((cell) => cell.style.textAlign || cell.align);
  return toMarkdownTable(readCells(table, toMarkdown), aligns);
}

const quote = (cell: string): string => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** A spreadsheet computes what begins like a formula, and shows it with an apostrophe. Not of numbers. */
const disarm = (cell: string): string =>
  /^[=+\-@]/.test(cell) && !/^[+-]?[\d.,]+%?$/.test(cell) ? `'${cell}` : cell;

function readPlain(cell: HTMLElement): string {
  return readText(cell).replace(/\s+/g, " ").trim();
}

/** A formula as it was written: its letters alone say little. */
function readText(node: Node): string {
  if (node.nodeType === Node.TEXT_NODE) return node.nodeValue ?? "";
  if (!(node instanceof Element) || node.classList.contains("sr-only")) return "";
  const formula = node.localName === "math" ? node.getAttribute("alttext") : null;
  return formula ?? [...node.childNodes].map(readText).join("");
}

const MARKS: Record<string, string> = { STRONG: "**", EM: "*", DEL: "~~" };

function toMarkdown(node: Node): string {
  if (node.nodeType === Node.TEXT_NODE) return (node.nodeValue ?? "").replace(/[|\\]/g, "\\$&");
  if (!(node instanceof Element) || node.classList.contains("sr-only")) return "";
  const formula = node.localName === "math" ? node.getAttribute("alttext") : null;
  if (formula !== null) return `$${formula.replaceAll("|", "\\|")}$`;
  if (node.tagName === "BR") return "<br>";
  if (node.tagName === "CODE") return `\`${(node.textContent ?? "").replaceAll("|", "\\|")}\``;
  const inner = [...node.childNodes]
    .map(toMarkdown)
    .join("")
    .replace(/\s*\n\s*/g, " ");
  if (node.tagName === "A") return `[${inner}](${node.getAttribute("href") ?? ""})`;
  const mark = MARKS[node.tagName] ?? "";
  return mark + inner + mark;
}
