/** What a person has chosen on this device: kept in localStorage, read and changed through one store. */

export type Theme = "dark" | "light" | "system";
/** The server's profiles of docs/speech-socket.md, and "" for the server's own choice. */
export type EndpointingProfile = "" | "command" | "conversation" | "dictation" | "hands_free" | "manual";

export interface Settings {
  theme: Theme;
  /** Language of the page; "" follows the browser. */
  uiLanguage: "" | "en" | "es";
  /** BCP-47 tag of what is spoken, or `auto`. */
  speechLang: string;
  /** Speech engine; "" is the server's choice. */
  sttProvider: string;
  /** Model of the engine; "" is the engine's choice. */
  sttModel: string;
  endpointing: EndpointingProfile;
  /** Terms likely to be said, at most 200 of 100 characters. */
  vocabulary: string[];
  /** `deviceId` of the microphone; "" is the browser's choice. */
  microphone: string;
  echoCancellation: boolean;
  noiseSuppression: boolean;
  /** `KeyboardEvent.code` that is held to speak. */
  pushToTalkKey: string;
  /** Send by itself what was dictated, once it is final. */
  autoSend: boolean;
  /** Model of new conversations; "" is the server's choice. */
  chatModel: string;
  sidebarOpen: boolean;
  /** Whether the first-visit guide has been seen through or put away. */
  guided: boolean;
}

export const DEFAULTS: Settings = {
  theme: "dark",
  uiLanguage: "",
  speechLang: "auto",
  sttProvider: "",
  sttModel: "",
  endpointing: "",
  vocabulary: [],
  microphone: "",
  echoCancellation: true,
  noiseSuppression: true,
  pushToTalkKey: "Space",
  autoSend: false,
  chatModel: "",
  sidebarOpen: true,
  guided: false,
};

/** public/assets/theme.js reads the same key. */
export const STORE_KEY = "prompter.settings";

/** Take over what has the right type; anything else, an older page's or a vandal's, keeps its default. */
export function parseSettings(text: string | null): Settings {
  let stored: unknown = null;
  try {
    stored = JSON.parse(text ?? "null");
  } catch {
    // Not ours.
  }
  if (typeof stored !== "object" || stored === null) return DEFAULTS;
  const found = Object.entries(stored).filter(([name, value]) => fits(name, value));
  return { ...DEFAULTS, ...(Object.fromEntries(found) as Partial<Settings>) };
}

const CHOICES: Record<string, readonly string[]> = {
  theme: ["dark", "light", "system"],
  uiLanguage: ["", "en", "es"],
  endpointing: ["", "command", "conversation", "dictation", "hands_free", "manual"],
};

function fits(name: string, value: unknown): boolean {
  if (!Object.hasOwn(DEFAULTS, name)) return false;
  if (name === "vocabulary") return Array.isArray(value) && value.every((term) => typeof term === "string");
  if (typeof value !== typeof DEFAULTS[name as keyof Settings]) return false;
  return CHOICES[name]?.includes(value as string) ?? true;
}
