/** Names of models as people say them: "SmolLM2-135M-Instruct-Q4_1" is "SmolLM2 135M". Pure. */

/** How a number format, a date or a kind of training is written at the end of a model's id. */
const ENDING =
  /[-_.:](?:gguf|i?q\d(?:[-_][a-z0-9]+)*|[fb]f?p?16|f32|fp8|awq|gptq|mlx|int[48]|[48]bit|instruct|chat|it|latest|\d{8}|\d{4}-\d{2}-\d{2})$/i;

/** Words whose spelling no rule gives. */
const SPELLINGS: Record<string, string> = {
  gpt: "GPT",
  smollm: "SmolLM",
  deepseek: "DeepSeek",
  tinyllama: "TinyLlama",
  codellama: "Code Llama",
  starcoder: "StarCoder",
  openai: "OpenAI",
  glm: "GLM",
  vl: "VL",
  moe: "MoE",
  oss: "OSS",
};
/** Families whose version is part of the word: "SmolLM2". */
const JOINED = new Set(["smollm", "starcoder"]);
const SIZE = /^(?:\d+x)?[ae]?\d+(?:\.\d+)?[bm]$/i;
const FAMILY = /^([a-z]+)(\d+(?:\.\d+)*)$/i;

/** The name of a model for people; ids are `provider/model`, a file's name or `model:tag`. */
export function nameModel(id: string): string {
  let rest = id.slice(id.lastIndexOf("/") + 1);
  for (let shorter = rest.replace(ENDING, ""); shorter !== rest; shorter = rest.replace(ENDING, "")) {
    rest = shorter;
  }
  const words = rest.split(/[-_:\s]+/).filter((word) => word !== "");
  if (words.length === 0) return id;
  const [first = "", second, ...others] = words.map(spell);
  // "GPT-4o mini": only this family keeps its hyphen.
  if (first === "GPT" && second !== undefined)
    return [`${first}-${second}`, ...others.map((word) => lower(word))].join(" ");
  return [first, ...(second === undefined ? [] : [second]), ...others].join(" ");
}

/** Whether a model of this name may answer: those that compare or sort texts do not. */
export function mayAnswer(id: string): boolean {
  return !/embed|rerank/i.test(id);
}

/**
 * The names of several models; those that would be the same keep what tells them apart.
 */
export function nameModels(ids: readonly string[]): Map<string, string> {
  const names = new Map(ids.map((id) => [id, nameModel(id)]));
  const counts = new Map<string, number>();
  for (const name of names.values()) counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const [id, name] of names) {
    if ((counts.get(name) ?? 0) > 1) names.set(id, `${name} (${id.slice(id.indexOf("/") + 1)})`);
  }
  return names;
}

/** A name that a program gave, as words: "my_engine" is "My engine". */
export function nameFromIdentifier(name: string): string {
  const words = name.replace(/[_-]+/g, " ").trim();
  return words.charAt(0).toLocaleUpperCase() + words.slice(1);
}

function spell(word: string): string {
  if (SIZE.test(word)) return word.toUpperCase().replace("X", "x");
  const [, family = "", version] = FAMILY.exec(word) ?? [];
  if (version !== undefined) {
    if (family.length === 1) return word; // one letter before a version stays small: "o3"
    return JOINED.has(family.toLowerCase()) ? `${spell(family)}${version}` : `${spell(family)} ${version}`;
  }
  const known = SPELLINGS[word.toLowerCase()];
  if (known !== undefined) return known;
  return word === word.toLowerCase() && /^\p{L}/u.test(word)
    ? word.charAt(0).toLocaleUpperCase() + word.slice(1)
    : word;
}

const lower = (word: string): string => (/^[A-Z][a-z]+$/.test(word) ? word.toLowerCase() : word);
