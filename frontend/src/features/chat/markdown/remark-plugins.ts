/** Plugins for the parser of Markdown: formulas, and whether the fence of a block of code is closed. */
import type { ElementContent, Properties } from "hast";
import type { Nodes } from "mdast";
import type { CompileContext, Extension } from "mdast-util-from-markdown";
import type { Token } from "micromark-util-types";
import type { Processor } from "unified";

import { createMathSyntax, judgeLine } from "../formulas/math-syntax";

export const MATH_INLINE = "math-inline";
export const MATH_DISPLAY = "math-display";
/** Of a block that has its end: what is drawn is drawn only then. */
const CLOSED = { dataClosed: "" };

/** A formula, in the way in which it becomes HTML. */
interface MathNode {
  type: "math" | "inlineMath";
  value: string;
  data: { hName: string; hProperties?: Properties; hChildren: ElementContent[] };
}

export function readFormulas(this: Processor): void {
  const data = this.data();
  (data.micromarkExtensions ??= []).push(createMathSyntax());
  (data.fromMarkdownExtensions ??= []).push(MATH);
}

export function noteClosedFences(this: Processor): void {
  (this.data().fromMarkdownExtensions ??= []).push(FENCES);
}

function enterMath(this: CompileContext, token: Token): void {
  const type = token.type === "mathFlow" ? "math" : "inlineMath";
  const node: MathNode = { type, value: "", data: { hName: "", hChildren: [] } };
  this.enter(node as unknown as Nodes, token);
  this.buffer();
}

function exitInline(this: CompileContext, token: Token): void {
  const { node, source } = leaveMath(this, token);
  const isDollar = source.startsWith("$") && !source.startsWith("$$");
  const size = isDollar ? 1 : 2;
  const isDisplay = source.startsWith("$$") || source.startsWith("\\[");
  node.value = source.slice(size, -size);
  const className = [isDisplay ? MATH_DISPLAY : MATH_INLINE];
  const text = { type: "text" as const, value: node.value };
  node.data = { hName: "code", hProperties: { className, ...CLOSED }, hChildren: [text] };
}

function exitBlock(this: CompileContext, token: Token): void {
  const { node, source } = leaveMath(this, token);
  const close = source.startsWith("$$") ? "$$" : "\\]";
  const at = source.lastIndexOf(close);
  const lastLine = source.slice(Math.max(2, source.lastIndexOf("\n") + 1));
  const isClosed = at >= 2 && judgeLine(lastLine, close) === "closed";
  // A point behind the formula belongs to it.
  node.value = isClosed ? source.slice(2, at) + source.slice(at + 2).trim() : source;
  const properties = { className: [MATH_DISPLAY], ...(isClosed ? CLOSED : {}) };
  const text = { type: "text" as const, value: node.value };
  node.data = {
    hName: "pre",
    hChildren: [{ type: "element", tagName: "code", properties, children: [text] }],
  };
}

function leaveMath(context: CompileContext, token: Token): { node: MathNode; source: string } {
  const source = context.resume();
  const node = context.stack.at(-1) as unknown as MathNode;
  context.exit(token);
  return { node, source };
}

function enterData(this: CompileContext, token: Token): void {
  this.config.enter.data?.call(this, token);
}

function exitData(this: CompileContext, token: Token): void {
  this.config.exit.data?.call(this, token);
}

const MATH: Extension = {
  enter: {
    mathFlow: enterMath,
    mathText: enterMath,
    mathFlowValue: enterData,
    mathTextData: enterData,
    mathTextMark: enterData,
  },
  exit: {
    mathFlow: exitBlock,
    mathText: exitInline,
    mathFlowValue: exitData,
    mathTextData: exitData,
    mathTextMark: exitData,
  },
};

const FENCES: Extension = {
  enter: {
    codeFencedFence(this: CompileContext): void {
      if (!this.data.flowCodeInside) return; // the fence that opens it
      const node = this.stack.findLast(({ type }) => type === "code");
      if (node) node.data = { hProperties: CLOSED };
    },
  },
};
