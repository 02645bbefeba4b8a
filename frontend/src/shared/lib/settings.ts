/** The settings of this browser: their types, defaults, and how a stored text is read. */
import { SILENCE_MS } from "../api/endpointing";

const THEMES = ["dark", "light", "system"] as const;
const CONTRASTS = ["system", "normal", "high"] as const;
const DENSITIES = ["", "comfortable", "compact"] as const;
export const TEXT_SIZES = ["", "90", "100", "110", "125", "150", "175", "200"] as const;
const FONTS = ["", "own", "system", "serif", "readable", "mono"] as const;
const UI_LANGUAGES = ["", "en", "es"] as const;
/** The limit of `start.config.vocabulary`. */
export const MAX_VOCABULARY_TERMS = 200;
/** The limit of `start.config.langs`. */
export const MAX_SPOKEN_LANGS = 16;

export type Theme = (typeof THEMES)[number];
export type ContrastChoice = (typeof CONTRASTS)[number];
export type Density = (typeof DENSITIES)[number];
/** Percent of the size that the browser is set to. */
export type TextSize = (typeof TEXT_SIZES)[number];
export type FontChoice = (typeof FONTS)[number];
export type UiLanguage = (typeof UI_LANGUAGES)[number];
/** When an utterance ends: a profile of the server, or "" for its choice. */
export type EndpointingProfile = "" | keyof typeof SILENCE_MS;

export const ENDPOINTING_PROFILES = ["", ...Object.keys(SILENCE_MS)] as readonly EndpointingProfile[];

export interface Settings {
  theme: Theme;
  contrast: ContrastChoice;
  /** A shipped palette, "own" for `ownTheme`, or "" for the server's theme. */
  palette: string;
  /** `#rrggbb`; "" here and below is what the theme has. */
  accent: string;
  codeTheme: string;
  textSize: TextSize;
  density: Density;
  font: FontChoice;
  /** A theme file as it was imported; see docs/themes.md. */
  ownTheme: string;
  /** Language of the page; "" follows the browser. */
  uiLanguage: UiLanguage;
  /** BCP-47 tags of the languages that are spoken, at most 16; none for any language. */
  spokenLangs: string[];
  /** Speech engine; "" is the server's choice. */
  sttProvider: string;
  /** Model of the engine; "" is the engine's choice. */
  sttModel: string;
  endpointing: EndpointingProfile;
  /** Terms that are likely to be said: at most 200, each at most 100 characters. */
  vocabulary: string[];
  /** `deviceId` of the microphone; "" is the browser's choice. */
  microphone: string;
  echoCancellation: boolean;
  noiseSuppression: boolean;
  /** `KeyboardEvent.code` of the key that is held to speak. */
  pushToTalkKey: string;
  /** Send dictated text without a click, once it is final. */
  autoSend: boolean;
  /** Read answers aloud, by the browser's own voice. */
  readsAloud: boolean;
  /** Mark words that the engine is not sure of. */
  marksDoubt: boolean;
  /** Model of new conversations; "" is the server's choice. */
  chatModel: string;
  /** Offer engines that recognise nothing and models that only repeat: for whoever builds on the server. */
  showsMocks: boolean;
  /** Show how long the words of the last utterance took. */
  showsTiming: boolean;
  /** Break the long lines of code, which are scrolled otherwise. */
  wrapsCode: boolean;
  sidebarOpen: boolean;
  /** Whether the guide of the first visit was finished or skipped. */
  guided: boolean;
}

export const DEFAULTS: Settings = {
  theme: "system",
  contrast: "system",
  palette: "",
  accent: "",
  codeTheme: "",
  textSize: "",
  density: "",
  font: "",
  ownTheme: "",
  uiLanguage: "",
  spokenLangs: [],
  sttProvider: "",
  sttModel: "",
  endpointing: "",
  vocabulary: [],
  microphone: "",
  echoCancellation: true,
  noiseSuppression: true,
  pushToTalkKey: "Space",
  autoSend: false,
  readsAloud: false,
  marksDoubt: true,
  chatModel: "",
  showsMocks: false,
  showsTiming: false,
  wrapsCode: false,
  sidebarOpen: true,
  guided: false,
};

/** public/assets/theme.js reads the same key. */
export const SETTINGS_KEY = "prompter.settings";

/** Read stored settings. A value of the wrong type keeps its default. */
export function parseSettings(text: string | null): Settings {
  let stored: unknown = null;
  try {
    stored = JSON.parse(text ?? "null");
  } catch {
    // Not JSON: another program wrote it.
  }
  if (typeof stored !== "object" || stored === null) return DEFAULTS;
  const found = Object.entries(stored).filter(([name, value]) => isValid(name, value));
  return { ...DEFAULTS, ...readOldLanguage(stored), ...(Object.fromEntries(found) as Partial<Settings>) };
}

/** Earlier pages stored one language, or `auto`. */
function readOldLanguage(stored: object): Partial<Settings> {
  const lang = "speechLang" in stored ? stored.speechLang : "auto";
  return typeof lang === "string" && lang !== "auto" && lang !== "" ? { spokenLangs: [lang] } : {};
}

const LISTS: ReadonlySet<string> = new Set(["vocabulary", "spokenLangs"]);
const CHOICES: Record<string, readonly string[]> = {
  theme: THEMES,
  contrast: CONTRASTS,
  textSize: TEXT_SIZES,
  density: DENSITIES,
  font: FONTS,
  uiLanguage: UI_LANGUAGES,
  endpointing: ENDPOINTING_PROFILES,
};

const PATTERNS: Record<string, RegExp> = {
  palette: /^[a-z]{0,20}$/,
  codeTheme: /^[a-z]{0,20}$/,
  accent: /^(#[0-9a-f]{6})?$/,
};

function isValid(name: string, value: unknown): boolean {
  if (!Object.hasOwn(DEFAULTS, name)) return false;
  if (LISTS.has(name)) return Array.isArray(value) && value.every((term) => typeof term === "string");
  if (typeof value !== typeof DEFAULTS[name as keyof Settings]) return false;
  return CHOICES[name]?.includes(value as string) ?? PATTERNS[name]?.test(value as string) ?? true;
}
