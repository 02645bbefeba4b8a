/** Splits Markdown into independent blocks, so that only the last one of a growing text is parsed again. */

const FENCE = /^\s*(`{3,}|~{3,})(.*)$/;
/** A link definition serves links anywhere in the text, so such a text is not split. */
const DEFINITION = /^\s*(?:>\s*)?\[[^\]\n]+\]:/m;
/** A line that may continue the block before a blank line: an item of a list, or an indented line. */
const CONTINUATION = /^(?:\s|[-*+](?:\s|$)|\d{1,9}[.)](?:\s|$))/;
/** HTML may contain blank lines; only the parser knows where it ends. */
const HTML = /^\s{0,3}</;

/** The blocks: joined they are the text, and each alone renders as it does within the whole text. */
export function splitBlocks(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const lines = text.split("\n");
  const blocks: string[] = [];
  let fence = "";
  let from = 0;
  for (const [at, line] of lines.entries()) {
    const isBoundary =
      fence === "" && at > from && lines[at - 1]?.trim() === "" && line !== "" && !CONTINUATION.test(line);
    if (isBoundary) {
      blocks.push(lines.slice(from, at).join("\n") + "\n");
      from = at;
    }
    if (fence === "" && HTML.test(line)) break; // the rest is one block
    fence = findOpenFence(fence, line);
  }
  blocks.push(lines.slice(from).join("\n"));
  return blocks;
}

/** The fence that is open after a line; "" where none is. */
function findOpenFence(fence: string, line: string): string {
  const [, marks = "", rest = ""] = FENCE.exec(line) ?? [];
  if (marks === "") return fence;
  if (fence === "") return marks.startsWith("`") && rest.includes("`") ? "" : marks;
  const closes = marks.startsWith(fence) && rest.trim() === "";
  return closes ? "" : fence;
}
