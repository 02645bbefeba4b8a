/** What the page and the frame that draws diagrams tell each other, and the limits of both. Pure. */

export const FRAME_ADDRESS = "/assets/diagram.html";
/** Longer code is not drawn. */
export const MOST_DIAGRAM_CHARS = 20_000;
/** Statements of a diagram: each may be a part, and more take many seconds to lay out. */
export const MOST_STATEMENTS = 1000;
/** Lines between the parts of a diagram: more take many seconds to lay out. */
export const MOST_EDGES = 400;
export const MOST_SVG_CHARS = 4_000_000;
export const MOST_HEIGHT_PX = 4000;

/** Whether drawing this may take long, which holds the page up where a frame has no process of its own. */
export const isTooLarge = (code: string): boolean =>
  code.length > MOST_DIAGRAM_CHARS || code.split(/[\n;&]/).length > MOST_STATEMENTS;

/** Colours as #rrggbb, and the size of the page's text. */
export interface Palette {
  isDark: boolean;
  fontPx: number;
  surface: string;
  raised: string;
  line: string;
  ink: string;
  muted: string;
  accent: string;
}

/** From the page. */
export interface DrawRequest {
  type: "draw";
  code: string;
  palette: Palette;
}

/** From the frame: `broken` is code that is no diagram. */
export type FrameMessage =
  | { type: "ready" }
  | { type: "drawn"; svg: string }
  | { type: "size"; heightPx: number }
  | { type: "broken" };

/** The frame shows what others wrote: nothing of what it says is taken on trust. */
export function readFrameMessage(data: unknown): FrameMessage | null {
  if (typeof data !== "object" || data === null || !("type" in data)) return null;
  if (data.type === "ready" || data.type === "broken") return { type: data.type };
  if (data.type === "drawn" && "svg" in data && typeof data.svg === "string")
    return data.svg.length <= MOST_SVG_CHARS ? { type: "drawn", svg: data.svg } : null;
  if (data.type !== "size" || !("heightPx" in data) || typeof data.heightPx !== "number") return null;
  if (!(data.heightPx > 0)) return null;
  return { type: "size", heightPx: Math.min(Math.ceil(data.heightPx), MOST_HEIGHT_PX) };
}

const COLOURS = ["surface", "raised", "line", "ink", "muted", "accent"] as const;

/** @param read gives a variable of the style sheet, as in `15 23 42` */
export function readPalette(isDark: boolean, fontPx: number, read: (name: string) => string): Palette {
  const colours = COLOURS.map((name) => [name, toHex(read(`--${name}`), isDark)] as const);
  return { isDark, fontPx, ...(Object.fromEntries(colours) as Record<(typeof COLOURS)[number], string>) };
}

/** With forced colours: those two of the system, as `rgb(15, 23, 42)`, and no others. */
export function makeForcedPalette(fontPx: number, paper: string, text: string): Palette {
  const read = (colour: string): string => toHex(colour.match(/\d+/g)?.slice(0, 3).join(" ") ?? "", false);
  const [surface, ink] = [read(paper), read(text)];
  const isDark = parseInt(surface.slice(1, 3), 16) < parseInt(ink.slice(1, 3), 16);
  return { isDark, fontPx, surface, raised: surface, line: ink, ink, muted: ink, accent: ink };
}

function toHex(value: string, isDark: boolean): string {
  const parts = value.trim().split(/\s+/).map(Number);
  if (parts.length !== 3 || parts.some((part) => !(part >= 0 && part <= 255)))
    return isDark ? "#888888" : "#777777";
  return `#${parts.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}
