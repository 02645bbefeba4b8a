/** The palettes and code themes that come with the page. What one leaves out is as in the default. */
import type { Colours, Mode } from "./tokens";

type Palette = Record<Mode, Partial<Colours>>;

export const PALETTES = {
  /** The values of index.css. */
  indigo: { light: {}, dark: {} },
  sand: {
    light: {
      page: "#f7f3ea",
      surface: "#fdfaf3",
      raised: "#efe8d9",
      line: "#d9cfba",
      control: "#86795f",
      ink: "#2b2418",
      muted: "#655b49",
      accent: "#88400c",
      fill: "#96470f",
      "fill-end": "#7a3a1e",
      "on-fill": "#ffffff",
    },
    dark: {
      page: "#17130c",
      surface: "#1f1a12",
      raised: "#2e271b",
      line: "#463c2b",
      control: "#938468",
      ink: "#f2ead9",
      muted: "#b9ab91",
      accent: "#f0ad6c",
      fill: "#96470f",
      "fill-end": "#7a3a1e",
      "on-fill": "#ffffff",
    },
  },
  forest: {
    light: {
      page: "#f3f8f4",
      surface: "#ffffff",
      raised: "#e5efe7",
      line: "#c6d6c9",
      control: "#6a8170",
      ink: "#10231a",
      muted: "#4a6153",
      accent: "#0a6148",
      fill: "#0b6b4f",
      "fill-end": "#0d6a78",
      "on-fill": "#ffffff",
    },
    dark: {
      page: "#08140f",
      surface: "#0e1d16",
      raised: "#183024",
      line: "#2c4a3b",
      control: "#6a8a79",
      ink: "#e4f2ea",
      muted: "#98b3a5",
      accent: "#63d9ad",
      fill: "#0b6b4f",
      "fill-end": "#0d6a78",
      "on-fill": "#ffffff",
    },
  },
  graphite: {
    light: {
      page: "#f7f7f7",
      surface: "#ffffff",
      raised: "#ebebeb",
      line: "#d2d2d2",
      control: "#7d7d7d",
      ink: "#1a1a1a",
      muted: "#595959",
      accent: "#333333",
      fill: "#262626",
      "fill-end": "#404040",
      "on-fill": "#ffffff",
    },
    dark: {
      page: "#121212",
      surface: "#1a1a1a",
      raised: "#2a2a2a",
      line: "#404040",
      control: "#858585",
      ink: "#ededed",
      muted: "#a8a8a8",
      accent: "#e0e0e0",
      fill: "#e6e6e6",
      "fill-end": "#cfcfcf",
      "on-fill": "#141414",
    },
  },
  rose: {
    light: {
      page: "#fdf5f7",
      surface: "#ffffff",
      raised: "#f8e8ed",
      line: "#e6cdd5",
      control: "#8f7480",
      ink: "#2a121b",
      muted: "#6b5360",
      accent: "#a81c5a",
      fill: "#b01e5f",
      "fill-end": "#8d2a8f",
      "on-fill": "#ffffff",
    },
    dark: {
      page: "#190b12",
      surface: "#22111a",
      raised: "#361c2a",
      line: "#523042",
      control: "#98788a",
      ink: "#f8e8ef",
      muted: "#c3a2b3",
      accent: "#ff9cc4",
      fill: "#b01e5f",
      "fill-end": "#8d2a8f",
      "on-fill": "#ffffff",
    },
  },
} as const satisfies Record<string, Palette>;

export type PaletteId = keyof typeof PALETTES;

/** The colours of code, by what they emphasize. An empty one is the palette's own. */
export const CODE_THEMES = {
  calm: {
    light: {
      "code-keyword": "#334155",
      "code-string": "#3f6212",
      "code-number": "#7c4a03",
      "code-name": "#1e4b7a",
      "code-comment": "#64748b",
    },
    dark: {
      "code-keyword": "#cbd5e1",
      "code-string": "#bfd8a0",
      "code-number": "#e6c793",
      "code-name": "#a9c9ea",
      "code-comment": "#94a3b8",
    },
  },
  vivid: {
    light: {
      "code-keyword": "#b00068",
      "code-string": "#00702e",
      "code-number": "#a84300",
      "code-name": "#0047d6",
      "code-comment": "#68707c",
    },
    dark: {
      "code-keyword": "#ff7ac6",
      "code-string": "#7dff9b",
      "code-number": "#ffb15c",
      "code-name": "#6cc7ff",
      "code-comment": "#9aa5b8",
    },
  },
  /** Dark in a light page too. */
  night: {
    light: {
      "code-page": "#151a26",
      "code-ink": "#e6eaf2",
      "code-keyword": "#d2a8ff",
      "code-string": "#9be9a8",
      "code-number": "#ffb77c",
      "code-name": "#8cc4ff",
      "code-comment": "#97a3b6",
    },
    dark: {
      "code-page": "#06080e",
      "code-ink": "#e6eaf2",
      "code-keyword": "#d2a8ff",
      "code-string": "#9be9a8",
      "code-number": "#ffb77c",
      "code-name": "#8cc4ff",
      "code-comment": "#97a3b6",
    },
  },
  plain: {
    light: {
      "code-keyword": "#1f2937",
      "code-string": "#1f2937",
      "code-number": "#1f2937",
      "code-name": "#1f2937",
      "code-comment": "#5f6b7a",
    },
    dark: {
      "code-keyword": "#e5e7eb",
      "code-string": "#e5e7eb",
      "code-number": "#e5e7eb",
      "code-name": "#e5e7eb",
      "code-comment": "#9ca3af",
    },
  },
} as const satisfies Record<string, Palette>;

export type CodeThemeId = keyof typeof CODE_THEMES;
