/** A theme file: JSON with the tokens that somebody sets, checked as the server checks the operator's. */
import {
  COLOURS,
  FONTS,
  FORMAT,
  MEASURES,
  MOST_BYTES,
  MOST_NAME_CHARS,
  PX_PER_REM,
  type THEME_PROBLEMS,
} from "../api/theme-tokens";
import { formatColour, parseColour } from "./colours";
import { findBrokenLine } from "./json-lines";
import { type Colours, type ColourToken, type Mode, MODES } from "./tokens";

export type ThemeProblem = Exclude<(typeof THEME_PROBLEMS)[number], "unreadable">;
type Font = (typeof FONTS)[number];
type Measure = keyof typeof MEASURES;
export type Shape = Partial<Record<Measure, string> & { font: Font }>;

export interface ThemeFile {
  name: string;
  light?: Partial<Colours>;
  dark?: Partial<Colours>;
  shape?: Shape;
}

/** Why a theme file cannot be used. */
export class ThemeFileError extends Error {
  /** @param place `line 3`, or a token such as `dark.accent`; may be empty */
  constructor(
    readonly problem: ThemeProblem,
    readonly place = "",
    readonly expected = "",
  ) {
    super(`${place}: ${problem}`);
  }
}

const KEYS: readonly string[] = ["prompter-theme", "name", ...MODES, "shape"];
const MEASURE = /^(\d{1,3}(?:\.\d{1,4})?)(rem|px|%|)$/;

/** @throws ThemeFileError it is no theme file; what it leaves out is as in the page's own theme */
export function parseThemeFile(text: string): ThemeFile {
  if (new TextEncoder().encode(text).length > MOST_BYTES)
    throw new ThemeFileError("too_big", "", String(MOST_BYTES));
  const raw = parseJson(text);
  checkKeys(raw);
  const file: ThemeFile = { name: String(raw["name"]) };
  for (const mode of MODES) if (mode in raw) file[mode] = readColours(mode, raw[mode]);
  if ("shape" in raw) file.shape = readShape(raw["shape"]);
  return file;
}

export function formatThemeFile(file: ThemeFile): string {
  return `${JSON.stringify({ "prompter-theme": FORMAT, ...file }, null, 2)}\n`;
}

function parseJson(text: string): Record<string, unknown> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new ThemeFileError("not_json", findBrokenLine(text));
  }
  return checkObject(raw, "");
}

function checkObject(raw: unknown, place: string): Record<string, unknown> {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw))
    throw new ThemeFileError("not_an_object", place);
  return raw as Record<string, unknown>;
}

function checkKeys(raw: Record<string, unknown>): void {
  const unknown = Object.keys(raw).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw new ThemeFileError("unknown_key", unknown.slice(0, MOST_NAME_CHARS), KEYS.join(", "));
  if (raw["prompter-theme"] !== FORMAT)
    throw new ThemeFileError("wrong_format", "prompter-theme", String(FORMAT));
  const { name } = raw;
  const isName = typeof name === "string" && name.trim() !== "" && [...name].length <= MOST_NAME_CHARS;
  if (!isName || /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(name))
    throw new ThemeFileError("wrong_name", "name", String(MOST_NAME_CHARS));
}

function readColours(mode: Mode, raw: unknown): Partial<Colours> {
  const known: readonly string[] = COLOURS;
  const found = Object.entries(checkObject(raw, mode)).map(([name, value]) => {
    const place = `${mode}.${name.slice(0, MOST_NAME_CHARS)}`;
    if (!known.includes(name)) throw new ThemeFileError("unknown_token", place);
    const colour = typeof value === "string" ? parseColour(value) : null;
    if (colour === null) throw new ThemeFileError("not_a_colour", place);
    return [name as ColourToken, formatColour(colour)] as const;
  });
  return Object.fromEntries(found);
}

function readShape(raw: unknown): Shape {
  const entries = Object.entries(checkObject(raw, "shape"));
  for (const [name, value] of entries) {
    const place = `shape.${name.slice(0, MOST_NAME_CHARS)}`;
    if (name === "font") checkFont(value, place);
    else if (Object.hasOwn(MEASURES, name)) checkMeasure(name as Measure, value, place);
    else throw new ThemeFileError("unknown_token", place);
  }
  return Object.fromEntries(entries);
}

function checkFont(value: unknown, place: string): void {
  const fonts: readonly unknown[] = FONTS;
  if (!fonts.includes(value)) throw new ThemeFileError("unknown_font", place, FONTS.join(", "));
}

function checkMeasure(name: Measure, value: unknown, place: string): void {
  const { units, least, most, default: usual } = MEASURES[name];
  const [, digits, unit = ""] = (typeof value === "string" && MEASURE.exec(value)) || [];
  const allowed: readonly string[] = units;
  if (digits === undefined || !allowed.includes(unit))
    throw new ThemeFileError("not_a_measure", place, JSON.stringify(usual));
  const number = Number(digits) / (unit === "px" ? PX_PER_REM : 1);
  if (number < least || number > most)
    throw new ThemeFileError("out_of_bounds", place, `${least}${units[0]}–${most}${units[0]}`);
}
