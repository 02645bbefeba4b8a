/** LaTeX to MathML, as a tree that holds nothing but mathematics. Pure; loaded with the first formula. */
import temml from "temml";

import "./formula.css";

/** An element of MathML; a text is a string. */
export interface MathElement {
  tag: string;
  attributes: Record<string, string>;
  style: Record<string, string>;
  children: (MathElement | string)[];
}

/** A formula that is longer stays as it was written. */
export const MOST_TEX_CHARS = 10_000;
/** What macros may grow to; more is a formula that never ends. */
const MOST_EXPANSIONS = 500;
/** So many letters all macros together may become that a formula defines. */
const MOST_DEFINED_CHARS = 50_000;
const DEFINES = /\\(?:[egx]?def|let|futurelet|(?:re)?newcommand|providecommand)(?![a-zA-Z@])/;
/** Macros that repeat what they are given grow beyond any count of expansions. */
const GROWS = /#|\\(?:[ex]def|expandafter|futurelet)(?![a-zA-Z@])/;
const MOST_NODES = 20_000;
/** In em and points: no space moves a formula out of its place. */
const MOST_SIZE: [number, number] = [20, 300];

const TAGS = new Set(
  (
    "math maction menclose merror mfrac mglyph mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms " +
    "mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none"
  ).split(" "),
);
const ATTRIBUTES = new Set(
  (
    "accent accentunder columnalign columnlines columnspacing columnspan depth dir display displaystyle fence form " +
    "height largeop linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize movablelimits " +
    "notation rowalign rowlines rowspacing rowspan rspace scriptlevel separator stretchy symmetric voffset width"
  ).split(" "),
);

/** What Temml builds: its classes have these fields. */
interface Built {
  type?: string;
  text?: string;
  attributes?: Record<string, unknown>;
  classes?: string[];
  style?: Record<string, unknown>;
  children?: Built[];
}

/** Null for what is no LaTeX, or too long. */
export function typeset(tex: string, isDisplay: boolean): MathElement | null {
  if (tex.length > MOST_TEX_CHARS) return null;
  try {
    const built = temml.__renderToMathMLTree(tex, {
      displayMode: isDisplay,
      throwOnError: true,
      trust: false,
      maxExpand: limitExpansions(tex),
      maxSize: MOST_SIZE,
    }) as Built;
    const tree = clean(built, { left: MOST_NODES })[0];
    if (typeof tree !== "object") return null;
    return { ...tree, attributes: { ...tree.attributes, alttext: tex.trim() } };
  } catch {
    // Wrong LaTeX, or so deeply nested that there is no stack for it.
    return null;
  }
}

/** @throws RangeError for macros that may grow without a limit */
function limitExpansions(tex: string): number {
  if (!DEFINES.test(tex)) return MOST_EXPANSIONS;
  if (GROWS.test(tex)) throw new RangeError("macros that may grow without a limit");
  return Math.min(MOST_EXPANSIONS, Math.floor(MOST_DEFINED_CHARS / tex.length));
}

/** @throws RangeError for a tree that is too large */
function clean(node: Built, budget: { left: number }): (MathElement | string)[] {
  budget.left -= 1;
  if (budget.left < 0) throw new RangeError("too many elements");
  if (typeof node.text === "string") return [node.text];
  const children = (node.children ?? []).flatMap((child) => clean(child, budget));
  if (node.type === undefined || !TAGS.has(node.type)) return children;
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(node.attributes ?? {}))
    if (ATTRIBUTES.has(name)) attributes[name] = bound(String(value));
  const classes = (node.classes ?? []).filter((name) => /^[\w-]+$/.test(name));
  if (classes.length > 0) attributes.class = classes.join(" ");
  return [{ tag: node.type, attributes, style: cleanStyle(node.style ?? {}), children }];
}

/** Styles as React takes them. No address: nothing is loaded. */
function cleanStyle(style: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(style).map(([name, value]): [string, string] => [
    name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    bound(String(value)),
  ]);
  return Object.fromEntries(entries.filter(([, value]) => !/[(:;@]|url/i.test(value) || RGB.test(value)));
}

const RGB = /^rgb\([\d\s.,%]+\)$/;
const LENGTH = /(-?\d*\.?\d+)(em|ex|mu|pt|px|%)?/g;
const MOST: Record<string, number> = { em: 20, ex: 40, mu: 360, "%": 100 };

/** Lengths within limits: nothing reaches far out of its formula, to either side. */
const bound = (value: string): string =>
  value.startsWith("#")
    ? value
    : value.replace(LENGTH, (_, number: string, unit = "") => {
        const most = MOST[unit as string] ?? 300;
        return `${Math.max(-most, Math.min(most, Number(number)))}${unit as string}`;
      });
