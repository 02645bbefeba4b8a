/** Cuts Markdown where nothing before can depend on what follows, so that a growing text is parsed by its end alone. */

const FENCE = /^\s*(`{3,}|~{3,})(.*)$/;
/** A definition serves links anywhere in the text: it has to be read with all of them. */
const DEFINITION = /^\s*(?:>\s*)?\[[^\]\n]+\]:/m;
/** What may go on with the block before a blank line: an item of a list, or what is indented into one. */
const GOES_ON = /^(?:\s|[-*+](?:\s|$)|\d{1,9}[.)](?:\s|$))/;
/** HTML may hold blank lines; where it ends is the parser's to say. */
const HTML = /^\s{0,3}</;

/** The pieces; joined they are the text, and each read alone gives what it gives within the whole. */
export function blocksOf(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const lines = text.split("\n");
  const blocks: string[] = [];
  let fence = "";
  let from = 0;
  for (const [at, line] of lines.entries()) {
    const isCut =
      fence === "" && at > from && lines[at - 1]?.trim() === "" && line !== "" && !GOES_ON.test(line);
    if (isCut) {
      blocks.push(lines.slice(from, at).join("\n") + "\n");
      from = at;
    }
    if (fence === "" && HTML.test(line)) break; // the rest is one piece
    fence = fenceAfter(fence, line);
  }
  blocks.push(lines.slice(from).join("\n"));
  return blocks;
}

/** The fence that is open after a line, or "". */
function fenceAfter(fence: string, line: string): string {
  const [, marks = "", rest = ""] = FENCE.exec(line) ?? [];
  if (marks === "") return fence;
  if (fence === "") return marks.startsWith("`") && rest.includes("`") ? "" : marks;
  const closes = marks.startsWith(fence) && rest.trim() === "";
  return closes ? "" : fence;
}
