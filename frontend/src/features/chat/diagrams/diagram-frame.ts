/**
 * The script of the frame that draws diagrams: a page of its own without an origin, which can load nothing.
 *
 * It is built alone, into one file (vite.config.ts), and the server gives that file its own policy.
 */
import mermaid, { type MermaidConfig } from "mermaid";

import {
  type DrawRequest,
  type FrameMessage,
  MOST_DIAGRAM_CHARS,
  MOST_EDGES,
  type Palette,
} from "./diagram-messages";
import { disarm } from "./diagram-picture";

/** A diagram that is wider than the frame is made smaller down to this, and scrolled beyond. */
const SMALLEST_SCALE = 0.6;
const root = document.createElement("main");
let natural = { width: 0, height: 0 };

const tell = (message: FrameMessage): void => window.parent.postMessage(message, "*");

function makeConfig(palette: Palette): MermaidConfig {
  const { isDark, fontPx, surface, raised, line, ink, muted, accent } = palette;
  return {
    startOnLoad: false,
    securityLevel: "strict",
    suppressErrorRendering: true,
    maxTextSize: MOST_DIAGRAM_CHARS,
    maxEdges: MOST_EDGES,
    htmlLabels: false,
    flowchart: { useMaxWidth: false, htmlLabels: false },
    fontFamily: "system-ui, sans-serif",
    theme: "base",
    themeVariables: {
      darkMode: isDark,
      background: surface,
      primaryColor: raised,
      primaryTextColor: ink,
      primaryBorderColor: accent,
      secondaryColor: surface,
      tertiaryColor: surface,
      edgeLabelBackground: surface,
      lineColor: muted,
      textColor: ink,
      noteBkgColor: raised,
      noteTextColor: ink,
      noteBorderColor: line,
      fontSize: `${Math.round(fontPx)}px`,
    },
    // What the code of a diagram cannot change.
    secure: [
      ...["secure", "securityLevel", "startOnLoad", "maxTextSize", "suppressErrorRendering", "maxEdges"],
      ...["htmlLabels", "fontFamily", "theme", "themeVariables", "themeCSS", "dompurifyConfig", "layout"],
    ],
  };
}

async function draw({ code, palette }: DrawRequest): Promise<void> {
  document.documentElement.style.colorScheme = palette.isDark ? "dark" : "light";
  document.documentElement.classList.toggle("dark", palette.isDark);
  mermaid.initialize(makeConfig(palette));
  try {
    const { svg } = await mermaid.render("diagram", code);
    const drawing = new DOMParser().parseFromString(svg, "text/html").querySelector("svg");
    if (!drawing) throw new Error("no drawing");
    disarm(drawing);
    natural = readSize(drawing);
    root.replaceChildren(drawing);
    fit();
    tell({ type: "drawn", svg: serialize(drawing, palette) });
  } catch {
    // Not a diagram, or one that is too large: the page shows the code.
    tell({ type: "broken" });
  }
}

function readSize(drawing: SVGSVGElement): typeof natural {
  const [, , width = 0, height = 0] = (drawing.getAttribute("viewBox") ?? "").split(/[\s,]+/).map(Number);
  return width > 0 && height > 0 ? { width, height } : { width: 400, height: 300 };
}

/** As wide as there is room, and never too small to be read. */
function fit(): void {
  const drawing = root.querySelector("svg");
  if (!drawing) return;
  const room = root.clientWidth;
  const scale = Math.min(1, Math.max(SMALLEST_SCALE, room / natural.width));
  drawing.style.maxWidth = "none";
  drawing.setAttribute("width", String(natural.width * scale));
  drawing.setAttribute("height", String(natural.height * scale));
  tell({
    type: "size",
    heightPx: Math.ceil(natural.height * scale) + 2 * 12 + (natural.width * scale > room ? 16 : 0),
  });
}

function serialize(drawing: SVGSVGElement, { surface }: Palette): string {
  const copy = drawing.cloneNode(true) as SVGSVGElement;
  copy.setAttribute("width", String(natural.width));
  copy.setAttribute("height", String(natural.height));
  copy.style.background = surface;
  return new XMLSerializer().serializeToString(copy);
}

document.body.append(root);
let waiting = Promise.resolve();
addEventListener("message", ({ source, data }: MessageEvent<DrawRequest>) => {
  if (source !== window.parent || data.type !== "draw") return;
  waiting = waiting.then(() => draw(data));
});
let room = 0;
new ResizeObserver(() => {
  if (root.clientWidth === room) return;
  room = root.clientWidth;
  fit();
}).observe(root);
tell({ type: "ready" });
