/** How the page looks: from what somebody chose to custom properties, readable whatever was chosen. */
import {
  adjust,
  type Channels,
  chooseOver,
  formatColour,
  hasContrast,
  mix,
  parseColour,
  WHITE,
} from "./colours";
import { CODE_THEMES, PALETTES } from "./palettes";
import type { ThemeFile } from "./theme-file";
import { type Colours, type ColourToken, DEFAULTS, HIGHEST, type Mode, TOKEN_CONTRASTS } from "./tokens";

/** What somebody chose. An empty text is the choice of the theme below it. */
export interface LookChoices {
  /** A shipped palette, "own" for `file`, or "" for the server's theme. */
  palette: string;
  /** `#rrggbb`, or "". */
  accent: string;
  codeTheme: string;
  /** Percent, or "". */
  textSize: string;
  density: string;
  font: string;
}

export interface LookSource {
  choices: LookChoices;
  /** The theme file of the palette: somebody's own, or the server's. */
  file: ThemeFile | null;
}

type ChannelMap = Record<ColourToken, Channels>;

/** How much darker or lighter the other end of the gradient of a chosen accent is. */
const FILL_END_SHARE = 0.15;
/** Of high contrast: text as WCAG AAA has it. */
const HIGH_TEXT = 7;
const HIGH_CONTROL = 4.5;

export interface Resolved {
  colours: Colours;
  /** The tokens that had too little contrast, and were moved. */
  moved: ColourToken[];
}

/** The colours of a mode, each with the contrast that it has to keep. */
export function resolveColours({ choices, file }: LookSource, mode: Mode, isHigh = false): Resolved {
  const given: Partial<Colours> = { ...readPalette(choices.palette)[mode], ...file?.[mode] };
  const chosen: Partial<Colours> = isHigh ? {} : { ...given, ...readCodeTheme(choices.codeTheme)[mode] };
  const base: Colours = { ...(isHigh ? HIGHEST[mode] : DEFAULTS[mode]), ...chosen };
  // Code stands on the surface of its theme, unless its colours bring their own.
  if (!isHigh && !("code-page" in chosen)) base["code-page"] = base.surface;
  if (!isHigh && !("code-ink" in chosen)) base["code-ink"] = base.ink;
  const accent = parseColour(choices.accent);
  return keepContrasts({ ...toChannels(base), ...(accent && makeAccent(accent)) }, isHigh);
}

function readPalette(id: string): Record<Mode, Partial<Colours>> {
  return Object.hasOwn(PALETTES, id) ? PALETTES[id as keyof typeof PALETTES] : PALETTES.indigo;
}

function readCodeTheme(id: string): Record<Mode, Partial<Colours>> {
  return Object.hasOwn(CODE_THEMES, id)
    ? CODE_THEMES[id as keyof typeof CODE_THEMES]
    : { light: {}, dark: {} };
}

/** The tokens of an accent: the colour itself where it is large, and text on it that can be read. */
function makeAccent(accent: Channels): Partial<ChannelMap> {
  const over = chooseOver([accent]);
  const end = mix(accent, over === WHITE ? [0, 0, 0] : WHITE, FILL_END_SHARE);
  return { accent, fill: accent, "fill-end": end, "on-fill": over };
}

function keepContrasts(given: ChannelMap, isHigh: boolean): Resolved {
  const channels = { ...given };
  const moved: ColourToken[] = [];
  for (const { token, behind, least, tint } of TOKEN_CONTRASTS) {
    const rule = { least: isHigh ? (least > 3 ? HIGH_TEXT : HIGH_CONTROL) : least, tint };
    const under = behind.map((name) => channels[name]);
    // Text on any accent has 4.5:1, and not on each one more.
    if (token === "on-fill") rule.least = least;
    if (hasContrast(channels[token], under, rule)) continue;
    channels[token] = adjust(channels[token], under, rule);
    moved.push(token);
  }
  const colours = Object.fromEntries(
    Object.entries(channels).map(([token, colour]) => [token, formatColour(colour)]),
  ) as Colours;
  return { colours, moved };
}

function toChannels(colours: Colours): ChannelMap {
  return Object.fromEntries(
    Object.entries(colours).map(([token, text]) => [token, parseColour(text) ?? WHITE]),
  ) as ChannelMap;
}

const COMPACT = { "--space": "0.75", "--target-fine": "32px" };

/** The style sheet of a look; it wins over those of the page, because it comes after them. */
export function writeLook(source: LookSource): string {
  const { palette, accent, codeTheme } = source.choices;
  const hasOwnColours = [palette, accent, codeTheme].some((choice) => choice !== "");
  const modes = hasOwnColours ? (["light", "dark"] as const) : [];
  const rules = modes.flatMap((mode) => [
    writeRule(mode === "light" ? ":root:not(.dark):not(.contrast)" : ":root.dark:not(.contrast)", {
      ...toProperties(resolveColours(source, mode).colours),
    }),
    accent === ""
      ? ""
      : writeRule(mode === "light" ? ":root.contrast:not(.dark)" : ":root.dark.contrast", {
          ...toProperties(resolveColours(source, mode, true).colours),
        }),
  ]);
  return [...rules, writeRule(":root", writeShape(source))].join("");
}

function writeShape({ choices, file }: LookSource): Record<string, string> {
  const { font, ...measures } = file?.shape ?? {};
  const chosenFont = choices.font || font;
  return {
    ...Object.fromEntries(Object.entries(measures).map(([name, value]) => [`--${name}`, value])),
    ...(choices.density === "compact" && COMPACT),
    ...(choices.density === "comfortable" && { "--space": "1" }),
    ...(choices.textSize !== "" && { "--text-size": `${choices.textSize}%` }),
    ...(chosenFont && { "--font-text": `var(--font-${chosenFont})` }),
  };
}

function toProperties(colours: Colours): Record<string, string> {
  return Object.fromEntries(
    Object.entries(colours).map(([token, text]) => [`--${token}`, (parseColour(text) ?? WHITE).join(" ")]),
  );
}

function writeRule(selector: string, properties: Record<string, string>): string {
  const body = Object.entries(properties).map(([name, value]) => `${name}:${value}`);
  return body.length === 0 ? "" : `${selector}{${body.join(";")}}\n`;
}
