/** The services and model servers that people connect, and what each needs. */
import type { Connection } from "@/shared/api/types";
import { chooseLocale } from "@/shared/lib/formats";

export type Vendor =
  "openai" | "anthropic" | "openrouter" | "lm_studio" | "ollama" | "llama_cpp" | "vllm" | "other";

export interface Preset {
  vendor: Vendor;
  /** Its name; "" for any other service, which the page names in the user's language. */
  title: string;
  /** Its usual address; "" where there is none. */
  baseUrl: string;
  /** `cloud` wants a key, `here` runs on a computer of one's own and mostly wants none. */
  place: "cloud" | "here" | "anywhere";
  /** Where to make a key. */
  keyPage: string;
}

export const PRESETS: readonly Preset[] = [
  {
    vendor: "openai",
    title: "OpenAI",
    baseUrl: "https://api.openai.com/v1",
    place: "cloud",
    keyPage: "https://platform.openai.com/api-keys",
  },
  {
    vendor: "anthropic",
    title: "Anthropic",
    baseUrl: "https://api.anthropic.com/v1",
    place: "cloud",
    keyPage: "https://console.anthropic.com/settings/keys",
  },
  {
    vendor: "openrouter",
    title: "OpenRouter",
    baseUrl: "https://openrouter.ai/api/v1",
    place: "cloud",
    keyPage: "https://openrouter.ai/keys",
  },
  {
    vendor: "lm_studio",
    title: "LM Studio",
    baseUrl: "http://127.0.0.1:1234/v1",
    place: "here",
    keyPage: "",
  },
  { vendor: "ollama", title: "Ollama", baseUrl: "http://127.0.0.1:11434/v1", place: "here", keyPage: "" },
  {
    vendor: "llama_cpp",
    title: "llama.cpp",
    baseUrl: "http://127.0.0.1:8080/v1",
    place: "here",
    keyPage: "",
  },
  { vendor: "vllm", title: "vLLM", baseUrl: "http://127.0.0.1:8001/v1", place: "here", keyPage: "" },
  { vendor: "other", title: "", baseUrl: "", place: "anywhere", keyPage: "" },
];

export const findPreset = (vendor: string): Preset =>
  PRESETS.find((preset) => preset.vendor === vendor) ?? (PRESETS.at(-1) as Preset);

/** A longer list would hide the model that was chosen among those of the service. */
const MOST_OFFERED = 20;

/** What a new connection offers: all models where they are few, else the one that is used. */
export function chooseOffered(models: readonly string[], model: string): string[] {
  return models.length > MOST_OFFERED ? [model] : [];
}

/** A time to the first words, for people: never 0. */
export function formatSeconds(ms: number, language: string): string {
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return Math.max(0.1, ms / 1000).toLocaleString(chooseLocale(language), digits);
}

/** The id that a conversation names the model of a connection by. */
export function modelId({ name, model }: Pick<Connection, "name" | "model">): string {
  return model ? `${name}/${model}` : name;
}
