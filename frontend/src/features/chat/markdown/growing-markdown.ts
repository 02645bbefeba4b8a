/**
 * Markdown that grows at its end: what is closed stays as it is, and only the open end is parsed again.
 *
 * The parser itself says what is closed: a block or an item that is followed by another one, a row, a line of
 * code. Where the open end is long, the blocks around its last part are opened again by a short head, as `- `
 * opens a list of a thousand items again, so that a step costs what it adds.
 */
import type { Element, ElementContent, Properties } from "hast";
import type { List, Nodes, Root, RootContent, Table } from "mdast";

import { convertBlocks, convertItems, convertRows, parseMarkdown } from "./markdown-trees";
import { findCut } from "./paragraph-cut";
import { type Direction, findDirection, markDirections } from "./rehype-plugins";

/** An element that was put together from parts: those that are closed are the same objects at every step. */
export interface Grown {
  type: "grown";
  tagName: string;
  properties: Properties;
  children: readonly Piece[];
  /** Of a list: the paragraphs of its items are shown without being paragraphs. */
  isTight: boolean;
}

export type Piece = ElementContent | Grown;

/** A block that is open: the document, or what stands around the end of the text. */
interface Frame {
  type: "root" | "list" | "listItem" | "blockquote" | "table" | "code" | "html" | "paragraph";
  properties: Properties;
  /** What is closed in it, as it is shown. */
  done: readonly Piece[];
  /** The closed lines of code and HTML; null before the first cut. */
  value: string | null;
  /** The end begins with the letter that keeps a paragraph a paragraph. */
  isContinued: boolean;
  isOrdered: boolean;
  /** Between its closed parts there is a blank line. */
  isLoose: boolean;
  /** Of the first letter in what is closed. */
  direction: Direction | null;
  /** What a line begins with that opens the containers up to this one, and one that goes on in them. */
  opening: string;
  continuation: string;
}

interface State {
  text: string;
  /** From the document inwards. */
  frames: readonly Frame[];
  /** Opens the frames again; after it the text goes on at `at`. */
  head: string;
  at: number;
  tree: Root;
  /** What the end of the text shows at each frame, one group for each of its blocks. */
  levels: readonly (readonly Piece[][])[];
  pieces: readonly Piece[];
}

/** Where the end begins from now on. */
interface Step extends Pick<State, "frames" | "head" | "at"> {
  /** Its blocks, as they were read after what is closed. */
  first?: readonly Nodes[];
}

/** A letter that stands for the closed part of a paragraph. */
const STAND_IN = "x";
/** An end of so many characters is not worth more than its parsing. */
const SHORT_END = 800;
/** An end that cannot be shortened is parsed less often from this size on. */
const LONG_END = 8000;
/** A quarter more than there was: all parsing together costs a few times the last. */
const WORTH = 1.25;
/** So much more of a text is read at a time: what that takes does not hold up a key. */
const SLICE_CHARS = 2000;
/** A definition serves links anywhere in the text: it is applied when the text is complete. */
const DEFINITION = /^[ \t>*+\-\d.)]*\[(?:[^\]\\]|\\.){1,999}\]:/m;

const DOCUMENT: Frame = {
  type: "root",
  properties: {},
  done: [],
  value: null,
  isContinued: false,
  isOrdered: false,
  isLoose: false,
  direction: null,
  opening: "",
  continuation: "",
};

export class GrowingMarkdown {
  /** The last states, newest last: a render may be thrown away, and come again with an earlier text. */
  #states: readonly State[] = [];
  #whole: { text: string; pieces: readonly Piece[] } | null = null;
  /** Characters given to the parser so far. */
  parsedChars = 0;

  /** There is more of the last text than was read of it: the next call reads on. */
  isBehind = false;

  /** @param sliceChars how much more of a text is read in one call */
  constructor(
    private readonly shortEnd = SHORT_END,
    private readonly sliceChars = SLICE_CHARS,
  ) {}

  /**
   * What is shown of a text, or of its beginning: see `isBehind`.
   *
   * @param isLive more of the text is to come
   */
  read(text: string, isLive: boolean): readonly Piece[] {
    const limit = this.#findLimit(text);
    this.isBehind = limit < text.length;
    if (this.isBehind) return this.#readOn(cutBetweenLetters(text, limit));
    return isLive ? this.#readOn(text) : this.#readWhole(text);
  }

  /** How far it is read now. */
  #findLimit(text: string): number {
    if (text.length <= this.sliceChars || this.#whole?.text === text) return text.length;
    const known = this.#findKnown(text);
    if (known === undefined) return this.sliceChars;
    const isGoingOn = text.startsWith(known.text);
    const from = isGoingOn ? known.text.length : Math.min(known.at, text.length);
    // An end that cannot be shortened must grow until it is worth parsing.
    const grown = isGoingOn && from - known.at > LONG_END ? (from - known.at) * (WORTH - 1) + 1 : 0;
    return Math.ceil(from + Math.max(this.sliceChars, grown));
  }

  #readOn(text: string): readonly Piece[] {
    const known = this.#findKnown(text);
    if (known?.text === text) return known.pieces;
    const endChars = text.length - (known?.at ?? 0);
    if (known && endChars > LONG_END && text.startsWith(known.text) && !isWorthParsing(known, text))
      return [...known.pieces, showPlain(text.slice(known.text.length))];
    const state = this.#advance(known ?? null, text);
    this.#states = [...this.#states.slice(-1), state];
    return state.pieces;
  }

  #readWhole(text: string): readonly Piece[] {
    if (this.#whole?.text === text) return this.#whole.pieces;
    const known = DEFINITION.test(text) ? undefined : this.#findKnown(text);
    const pieces = known ? this.#advance(known, text).pieces : this.#parseWhole(text);
    this.#whole = { text, pieces };
    return pieces;
  }

  /** The newest state whose closed part the text has, also where the state was read from more of it. */
  #findKnown(text: string): State | undefined {
    return this.#states.findLast(({ text: before, at }) => text.startsWith(before.slice(0, at)));
  }

  #parseWhole(text: string): readonly Piece[] {
    const pieces = convertBlocks(this.#parse(text).children, true);
    markDirections(pieces, "ltr");
    return pieces;
  }

  #parse(text: string): Root {
    this.parsedChars += text.length;
    return parseMarkdown(text);
  }

  #advance(known: State | null, text: string): State {
    if (known?.text === text) return known;
    let state = known && this.#reparse(known, text);
    state ??= this.#reparse({ frames: [DOCUMENT], head: "", at: 0 }, text);
    if (state === null) throw new Error("a document is always a document");
    for (;;) {
      const step = this.#close(state);
      const next: State | null = step && this.#reparse(step, text);
      if (next === null || !beginsWith(next, step?.first)) return state;
      state = next;
    }
  }

  /** Null where the end does not begin within the frames, which are of no use then. */
  #reparse({ frames, head, at }: Pick<State, "frames" | "head" | "at">, text: string): State | null {
    const tree = this.#parse(head + text.slice(at));
    if (findOpen(frames, tree) === null) return null;
    const levels: Piece[][][] = [];
    const pieces = buildLevel(frames, 0, tree, levels);
    const shown = [...(frames[0]?.done ?? []), ...pieces];
    markLevel(frames, 0, shown, levels, "ltr");
    return { text, frames, head, at, tree, levels, pieces: shown };
  }

  /** Close what is followed by something else, or open the last block of a long end. Null: neither can be. */
  #close(state: State): Step | null {
    const open = findOpen(state.frames, state.tree) ?? [];
    for (const [level, node] of open.entries()) {
      const frame = state.frames[level];
      if (frame === undefined || !isContainer(frame) || !("children" in node)) break;
      if (node.children.length > 1) return closeBlocks(state, level, node.children);
    }
    if (state.text.length - state.at <= this.shortEnd) return null;
    const frame = state.frames.at(-1);
    const node = open.at(-1);
    if (frame === undefined || node === undefined) return null;
    if (isContainer(frame)) return "children" in node ? openBlock(state, node.children[0]) : null;
    if (node.type === "table") return closeRows(state, frame, node);
    if (node.type === "code" || node.type === "html") return this.#closeLines(state, frame);
    return this.#closeWords(state, frame, node);
  }

  /** Lines of code or HTML. */
  #closeLines(state: State, frame: Frame): Step | null {
    const { text, head, at, frames } = state;
    const cut = findLineCut(text, at, frame.continuation);
    if (cut === null) return null;
    // With one more line after them, blank lines at their end count.
    const closed = head + text.slice(at, cut) + frame.continuation + STAND_IN;
    const node = findOpen(frames, this.#parse(closed))?.at(-1);
    const value = node && joinLines(frame, node);
    if (!value?.endsWith(`\n${STAND_IN}`)) return null;
    return {
      frames: replaceLast(frames, { ...frame, value: value.slice(0, -STAND_IN.length - 1) }),
      head,
      at: cut,
    };
  }

  /** Words of a paragraph. */
  #closeWords(state: State, frame: Frame, node: Nodes): Step | null {
    const { text, head, at, frames } = state;
    const found = findCut(head + text.slice(at), node);
    if (found === null || found <= head.length) return null;
    const cut = found - head.length + at;
    const closed = findOpen(frames, this.#parse(head + text.slice(at, cut)));
    const paragraph = closed?.at(-1);
    if (paragraph?.type !== "paragraph") return null;
    const done = [...frame.done, ...convertWords(frame, paragraph)];
    const next = { ...frame, done, isContinued: true, direction: frame.direction ?? findDirection(done) };
    return { frames: replaceLast(frames, next), head: frame.opening + STAND_IN, at: cut };
  }
}

function isWorthParsing({ text: before, at }: State, text: string): boolean {
  return text.length - at > (before.length - at) * WORTH;
}

/** The text up to there, without half a letter at its end. */
const cutBetweenLetters = (text: string, end: number): string =>
  text.slice(0, /[\ud800-\udbff]/.test(text[end - 1] ?? "") ? end + 1 : end);

function showPlain(value: string): Element {
  const properties = { className: ["whitespace-pre-wrap"] };
  return { type: "element", tagName: "p", properties, children: [{ type: "text", value }] };
}

/** Whether the end is read alone as it was after what is closed: the parser remembers more than it should. */
function beginsWith({ frames, tree }: State, first: readonly Nodes[] | undefined): boolean {
  if (first === undefined) return true;
  const around = findOpen(frames, tree)?.at(-1);
  if (around === undefined || !("children" in around)) return false;
  const { children } = around;
  return children.length === first.length && children.every(({ type }, index) => type === first[index]?.type);
}

const isContainer = ({ type }: Frame): boolean =>
  type === "root" || type === "list" || type === "listItem" || type === "blockquote";

const replaceLast = (frames: readonly Frame[], frame: Frame): Frame[] => [...frames.slice(0, -1), frame];

/** The nodes of the frames, each the first block of the one around it. Null where one is something else. */
function findOpen(frames: readonly Frame[], tree: Root): Nodes[] | null {
  const open: Nodes[] = [tree];
  for (const frame of frames.slice(1)) {
    const around = open.at(-1);
    const node: Nodes | undefined = around && "children" in around ? around.children[0] : undefined;
    if (node === undefined || !isSameBlock(frame, node)) return null;
    open.push(node);
  }
  return open;
}

function isSameBlock(frame: Frame, node: Nodes): boolean {
  if (frame.type === "list") return node.type === "list" && (node.ordered ?? false) === frame.isOrdered;
  if (frame.type !== "paragraph") return node.type === frame.type;
  if (node.type !== "paragraph" && node.type !== "heading") return false; // underlined, it becomes a heading
  const first = node.children[0];
  return !frame.isContinued || (first?.type === "text" && first.value.startsWith(STAND_IN));
}

// -- what is shown

/** The pieces of the blocks of a frame; what each block gives is noted at its level. */
function buildLevel(frames: readonly Frame[], level: number, node: Nodes, levels: Piece[][][]): Piece[] {
  const children = "children" in node ? (node.children as RootContent[]) : [];
  const isOpen = level + 1 < frames.length;
  const groups = children.map((child, index) =>
    index === 0 && isOpen ? [grow(frames, level + 1, child, levels)] : convertChild(level, node, child),
  );
  levels[level] = groups;
  return groups.flat();
}

function convertChild(level: number, node: Nodes, child: RootContent): Piece[] {
  if (node.type === "list" && child.type === "listItem") return convertItems(node, [child]);
  return convertBlocks([child], level === 0);
}

/** The open block of a frame: what is closed of it, and what the end adds. */
function grow(frames: readonly Frame[], level: number, node: RootContent, levels: Piece[][][]): Piece {
  const frame = frames[level] ?? DOCUMENT;
  const isInDocument = level === 1;
  const make = (tagName: string, children: readonly Piece[], isTight = false): Grown => {
    return { type: "grown", tagName, properties: { ...frame.properties }, children, isTight };
  };
  switch (node.type) {
    case "list": {
      const items = [...frame.done, ...buildLevel(frames, level, node, levels)];
      const list = make(node.ordered ? "ol" : "ul", items, !isLoose(frames, level, node));
      if (items.some(isTask)) list.properties.className = ["contains-task-list"];
      return list;
    }
    case "listItem":
      return make("li", [...frame.done, ...buildLevel(frames, level, node, levels)]);
    case "blockquote":
      return make("blockquote", [...frame.done, ...buildLevel(frames, level, node, levels)]);
    case "table": {
      const { head, rows } = convertRows(node);
      levels[level] = rows.map((row) => [row]);
      const body = { ...make("tbody", [...frame.done, ...rows]), properties: {} };
      return make("table", body.children.length > 0 ? [...head, body] : head);
    }
    case "code":
    case "html":
      return convertBlocks([{ ...node, value: joinLines(frame, node) }], isInDocument)[0] ?? showPlain("");
    default: {
      const [block] = convertBlocks([node], isInDocument);
      const tagName = block?.type === "element" ? block.tagName : "p";
      const words = [...frame.done, ...convertWords(frame, node)] as ElementContent[];
      return { type: "element", tagName, properties: {}, children: words };
    }
  }
}

function isLoose(frames: readonly Frame[], level: number, list: List): boolean {
  if (frames[level]?.isLoose || frames[level + 1]?.isLoose) return true;
  return (list.spread ?? false) || list.children.some((item) => item.spread ?? item.children.length > 1);
}

const isTask = (piece: Piece): boolean =>
  "properties" in piece &&
  Array.isArray(piece.properties.className) &&
  piece.properties.className.includes("task-list-item");

/** The inline pieces of a paragraph, without the letter that stands for its closed part. */
function convertWords({ isContinued }: Frame, paragraph: Nodes): ElementContent[] {
  const [block] = convertBlocks([paragraph as RootContent], true);
  if (block?.type !== "element") return [];
  const [first, ...rest] = block.children;
  if (!isContinued || first?.type !== "text") return block.children;
  return [{ type: "text", value: first.value.slice(STAND_IN.length) }, ...rest];
}

/** The closed lines of code or HTML, and those of the end. */
function joinLines({ type, value: closed }: Frame, node: Nodes): string {
  const value = "value" in node ? node.value : "";
  if (closed === null) return value;
  // The first line of HTML is in the head, and part of its value.
  const added = type === "html" ? value.slice(value.indexOf("\n") + 1 || value.length) : value;
  return added === "" ? closed : `${closed}\n${added}`;
}

/** Set the writing direction of what the end shows. What is closed has been marked before. */
function markLevel(
  frames: readonly Frame[],
  level: number,
  pieces: readonly Piece[],
  levels: readonly Piece[][][],
  around: Direction,
): void {
  const added = pieces.slice(frames[level]?.done.length ?? 0);
  for (const [index, piece] of added.entries()) {
    const inner = frames[level + 1];
    if (index > 0 || inner === undefined) {
      if (piece.type !== "grown") markDirections([piece], around);
      continue;
    }
    if (!("properties" in piece)) continue;
    const isTable = inner.type === "table"; // its head comes before what is closed
    const open = isTable ? piece.children : piece.children.slice(inner.done.length);
    const own = (isTable ? null : inner.direction) ?? findDirection(open) ?? around;
    const isBlock = piece.tagName !== "pre";
    if (isBlock && own !== around) piece.properties.dir = own;
    if (isContainer(inner)) markLevel(frames, level + 1, piece.children, levels, own);
  }
}

// -- what is closed

/** The blocks of a frame before the last one that is settled, and the frames within them. */
function closeBlocks(state: State, level: number, children: readonly Nodes[]): Step | null {
  const { text, frames, levels } = state;
  const frame = frames[level];
  for (const index of [children.length - 1, children.length - 2]) {
    const first = children[index];
    if (frame === undefined || first === undefined || index < 1) continue;
    const place = findPlace(state, frames.slice(0, level + 1), first);
    if (place === null || !isSettled(text, place.at, first, children[index - 1])) continue;
    const before = children.slice(0, index);
    const closed = (levels[level] ?? []).slice(0, index).flat();
    const hasGap = before.some((child, at) => isApart(child, children[at + 1]));
    const hasLooseItem =
      frame.type === "list" &&
      (frames[level + 1]?.isLoose === true || before.some((item) => item.type === "listItem" && item.spread));
    const next: Frame = {
      ...frame,
      done: [...frame.done, ...closed],
      isLoose: frame.isLoose || hasGap || hasLooseItem,
      direction: frame.direction ?? findDirection(closed),
    };
    return { frames: [...frames.slice(0, level), next], ...place, first: children.slice(index) };
  }
  return null;
}

/** Whether there is a blank line between two blocks. */
const isApart = (before: Nodes | undefined, block: Nodes | undefined): boolean =>
  (block?.position?.start.line ?? 0) - (before?.position?.end.line ?? 0) > 1;

/** Longer than the marks that make a line something else than a paragraph. */
const MARKED_CHARS = 100;

/** What begins by a mark of its own, wherever it stands; an indented block of code does not. */
const MARKED = /^(?:list|listItem|blockquote|heading|thematicBreak)$/;
const FENCE = /^(?:```|~~~)/;

/**
 * Whether a block stays what it is: its first line decides that, as `***` becomes `***words***`. What stands
 * directly below another block and has no mark is not settled: the parser may take it otherwise alone.
 */
function isSettled(text: string, at: number, block: Nodes, before: Nodes | undefined): boolean {
  const isMarked = MARKED.test(block.type) || (block.type === "code" && FENCE.test(text.slice(at, at + 3)));
  if (!isMarked && !isApart(before, block) && before?.type !== "heading" && before?.type !== "thematicBreak")
    return false;
  if (text.indexOf("\n", at) >= 0) return true;
  return block.type === "paragraph" && text.length - at > MARKED_CHARS;
}

/** Where a block begins, and the head that opens the frames around it again. */
function findPlace(
  { text, head, at }: Pick<State, "text" | "head" | "at">,
  frames: readonly Frame[],
  block: Nodes,
): Pick<State, "head" | "at"> | null {
  const offset = block.position?.start.offset;
  if (offset === undefined) return null;
  const start = Math.max(at, offset - head.length + at);
  const lineStart = findLineStart(text, start);
  const frame = frames.at(-1) ?? DOCUMENT;
  if (frame.type === "root") return text[lineStart] === "\ufeff" ? null : { head: "", at: lineStart };
  const prefix = openLine({ text, head, at }, frame, lineStart, start);
  if (prefix === null) return null;
  const inner = prefix.slice(frame.opening.length);
  if (frame.type === "list") return /^ {0,3}$/.test(inner) ? { head: prefix, at: start } : null;
  if (frame.type === "blockquote") return /^ *$/.test(inner) ? { head: prefix, at: start } : null;
  // A deeper place would be that of the item, and a box would be its own.
  return inner === "" && !isBox(text, start) ? { head: prefix, at: start } : null;
}

/** Whether the box of a task stands there, or may once there is more text. */
const isBox = (text: string, at: number): boolean =>
  /^\[(?:$|[ \t\nxX](?:$|\]))/.test(text.slice(at, at + 3));

/** What stands before a place in its line, with the containers around it opened. Null: it does not fit. */
function openLine(
  { text, head, at }: Pick<State, "text" | "head" | "at">,
  { opening, continuation }: Frame,
  lineStart: number,
  start: number,
): string | null {
  if (lineStart < at) {
    const prefix = head + text.slice(at, start);
    return prefix.startsWith(opening) ? prefix : null;
  }
  const line = text.slice(lineStart, start);
  return line.startsWith(continuation) ? opening + line.slice(continuation.length) : null;
}

const findLineStart = (text: string, at: number): number =>
  Math.max(text.lastIndexOf("\n", at - 1), text.lastIndexOf("\r", at - 1)) + 1;

function closeRows({ text, frames, head, at, levels }: State, frame: Frame, table: Table): Step | null {
  const last = table.children.at(-1)?.position?.start.offset;
  if (last === undefined || table.children.length < 3) return null;
  const closed = (levels[frames.length - 1] ?? []).slice(0, -1).flat();
  const next = {
    ...frame,
    done: [...frame.done, ...closed],
    direction: frame.direction ?? findDirection(closed),
  };
  return { frames: replaceLast(frames, next), head, at: findLineStart(text, last - head.length + at) };
}

/** The beginning of the last line that is not blank; null where it is the first one. */
function findLineCut(text: string, at: number, continuation: string): number | null {
  for (let end = text.length; end > at;) {
    const start = text.lastIndexOf("\n", end - 1) + 1;
    if (start <= at) return null;
    const line = text.slice(start, end);
    if (line.slice(continuation.length).trim() !== "") return line.startsWith(continuation) ? start : null;
    end = start - 1;
  }
  return null;
}

// -- what is opened

/** Open the last block of the end, so that its own parts can be closed. */
function openBlock(state: State, block: Nodes | undefined): Step | null {
  const { text, head, at, frames } = state;
  const around = frames.at(-1);
  const offset = block?.position?.start.offset;
  if (block === undefined || around === undefined || offset === undefined || text.includes("\r")) return null;
  const start = Math.max(at, offset - head.length + at);
  const container = around.type === "list" ? (frames.at(-2) ?? DOCUMENT) : around;
  const prefix = openLine(state, container, findLineStart(text, start), start);
  const indent = prefix?.slice(container.opening.length) ?? null;
  if (prefix === null || indent === null || !/^ {0,3}$/.test(indent)) return null;
  const { opening, continuation } = container;
  const frame: Frame = { ...DOCUMENT, opening, continuation };
  const open = (changes: Partial<Frame>, newHead: string, newAt: number) => {
    return { frames: [...frames, { ...frame, ...changes }], head: newHead, at: newAt };
  };
  /** A container whose lines begin with a marker, or with its width. */
  const openContainer = (type: Frame["type"], marker: string, goesOn: string) => {
    const lines = { opening: prefix + marker, continuation: continuation + indent + goesOn };
    return open({ type, ...lines }, lines.opening, start + marker.length);
  };
  const lineEnd = (from: number): number => text.indexOf("\n", from);
  switch (block.type) {
    case "list": {
      const isOrdered = block.ordered ?? false;
      const properties = isOrdered && (block.start ?? 1) !== 1 ? { start: block.start ?? 1 } : {};
      return open({ type: "list", properties, isOrdered }, prefix, start);
    }
    case "listItem": {
      const [marker] = /^(?:[-*+]|\d{1,9}[.)]) {1,4}(?=[^ \t\n])/.exec(text.slice(start, start + 16)) ?? [];
      const first = block.children[0]?.position?.start.offset;
      if (marker === undefined || typeof block.checked === "boolean") return null;
      if (first === undefined || first - offset !== marker.length || isBox(text, start + marker.length))
        return null;
      return openContainer("listItem", marker, " ".repeat(marker.length));
    }
    case "blockquote":
      return text.startsWith("> ", start) ? openContainer("blockquote", "> ", "> ") : null;
    case "table": {
      const second = lineEnd(start) < 0 ? -1 : lineEnd(lineEnd(start) + 1);
      return second < 0 ? null : open({ type: "table" }, prefix + text.slice(start, second + 1), second + 1);
    }
    case "code":
    case "html": {
      const end = lineEnd(start);
      if (end < 0 || (block.type === "code" && !/^(?:```|~~~)/.test(text.slice(start, start + 3))))
        return null;
      return open({ type: block.type }, prefix + text.slice(start, end + 1), end + 1);
    }
    case "paragraph":
      return open({ type: "paragraph" }, prefix, start);
    default:
      return null;
  }
}
