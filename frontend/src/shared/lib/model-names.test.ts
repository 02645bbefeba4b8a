/** Models have the names that people give them, and no two of a list have the same one. */
import { expect, test } from "vitest";

import { nameFromIdentifier, nameModel, nameModels } from "./model-names";

test.each([
  ["llama_local/SmolLM2-135M-Instruct-Q4_1", "SmolLM2 135M"],
  ["SmolLM2-135M-Instruct-Q4_1.gguf", "SmolLM2 135M"],
  ["openai/gpt-4o-mini", "GPT-4o mini"],
  ["openai/gpt-4o-2024-08-06", "GPT-4o"],
  ["openai/gpt-5", "GPT-5"],
  ["openai/o3-mini", "o3 Mini"],
  ["ollama/llama3.2:3b", "Llama 3.2 3B"],
  ["ollama/mistral:latest", "Mistral"],
  ["ollama/qwen2.5-coder:7b-instruct-q4_K_M", "Qwen 2.5 Coder 7B"],
  ["openrouter/anthropic/claude-3.5-sonnet", "Claude 3.5 Sonnet"],
  ["openrouter/deepseek/deepseek-r1", "DeepSeek r1"],
  ["lm_studio/Meta-Llama-3.1-8B-Instruct-IQ4_XS", "Meta Llama 3.1 8B"],
  ["mixtral-8x7b", "Mixtral 8x7B"],
  ["gemma-3n-e4b-it", "Gemma 3n E4B"],
  ["base", "Base"],
  ["my own model", "My Own Model"],
  ["", ""],
  ["-", "-"],
])("%s is called %s", (id, name) => {
  expect(nameModel(id)).toBe(name);
});

test("two forms of one model can be told apart", () => {
  const names = nameModels(["llama_local/Qwen2.5-7B-Q4_K_M", "llama_local/Qwen2.5-7B-Q8_0", "echo"]);
  expect([...names.values()]).toEqual([
    "Qwen 2.5 7B (Qwen2.5-7B-Q4_K_M)",
    "Qwen 2.5 7B (Qwen2.5-7B-Q8_0)",
    "Echo",
  ]);
});

test("a program's name is read as words", () => {
  expect(nameFromIdentifier("my_own-engine")).toBe("My own engine");
});
