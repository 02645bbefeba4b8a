/** Assistants have a group of their own, by title and description; one that is not ready says what to do. */
import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { isEchoOnly, listAssistants } from "@/shared/api/providers";
import type { Services } from "@/shared/services";
import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { ModelNote } from "./model-note";
import { ModelPicker } from "./model-picker";

const provider = (name: string, more = {}) => ({
  ...{
    name,
    type: "local",
    status: "ready" as const,
    description: `about ${name}`,
    title: "",
    default: false,
    chosen: false,
    assistant: null,
  },
  ...more,
});
const ECHO = provider("echo", { type: "mock" });
const OLLAMA = provider("ollama", { title: "Ollama", model: "qwen3:8b", chosen: true });
const LOFT = provider("loft-chat", { assistant: { title: "LOFT", description: "Looks up orders" } });
const BARE = provider("bot", {
  assistant: { title: "The bot", description: "" },
  status: "not_installed",
  description: "assistants need pydantic-ai: install it with `prompter extras add tools`",
  note: { code: "package_missing", params: {} },
});

let server: FakeApi;
let services: Services;
beforeEach(() => {
  services = createTestServices();
  server = new FakeApi()
    .on("GET /api/models", () => json(["echo", "bot", "loft-chat", "ollama/qwen3:8b"]))
    .on("GET /providers/llm", () => json({ items: [ECHO, OLLAMA, LOFT, BARE] }));
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const show = (content: React.ReactNode) => renderWith(services, content);

it("groups them apart from models", async () => {
  const chosen = vi.fn();
  show(<ModelPicker model="" onChoose={chosen} />);
  const group = await screen.findByRole("group", { name: "Assistants" });
  expect(
    within(group)
      .getAllByRole("option")
      .map(({ textContent }) => textContent),
  ).toEqual(["LOFT: Looks up orders"]); // not the bot, which cannot run
  await screen.findAllByRole("option", { name: "Qwen 3 8B" });
  expect(screen.getAllByRole("group").map((one) => one.getAttribute("label"))).toEqual([
    "The usual one",
    "Ollama, on this computer",
    "Assistants",
  ]);
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "Model" }), "LOFT: Looks up orders");
  expect(chosen).toHaveBeenCalledWith("loft-chat");
});

it("offers neither what compares texts nor a server of this machine beside the user's own way to it", async () => {
  const here = provider("lm_studio", { title: "LM Studio", model: "qwen3-8b", host: null });
  const own = { ...here, name: "my.lm_studio", connection: { title: "LM Studio", own: true } };
  const ids = ["my.lm_studio", "lm_studio"].flatMap((name) => [
    `${name}/qwen3-8b`,
    `${name}/text-embedding-nomic-embed-text-v1.5`,
  ]);
  server
    .on("GET /api/models", () => json(["echo", ...ids]))
    .on("GET /providers/llm", () => json({ items: [ECHO, own, here] }));
  const { rerender } = show(<ModelPicker model="my.lm_studio/qwen3-8b" onChoose={() => undefined} />);
  const names = () => screen.getAllByRole("option").map(({ textContent }) => textContent);
  await screen.findByRole("group", { name: "LM Studio" });
  expect(names()).toEqual(["The usual one", "Qwen 3 8B"]);
  rerender(<ModelPicker model="lm_studio/qwen3-8b" onChoose={() => undefined} />);
  expect(names()).toEqual(["The usual one", "Qwen 3 8B", "Qwen 3 8B"]); // what is chosen stays
});

it("offers them as models where the list of providers cannot be read", async () => {
  server.on("GET /providers/llm", () => refusal(404, "not_found"));
  show(<ModelPicker model="loft-chat" onChoose={() => undefined} />);
  expect(await screen.findByRole("option", { name: "Loft" })).toBeInTheDocument();
  expect(screen.getByRole("combobox")).toHaveValue("loft-chat");
});

it("says before the first word what it is for", async () => {
  const { rerender, container } = show(<ModelNote model="loft-chat" isNew />);
  expect(await screen.findByRole("note", { name: "LOFT" })).toHaveTextContent("LOFT: Looks up orders");
  rerender(<ModelNote model="loft-chat" isNew={false} />);
  expect(container).toBeEmptyDOMElement();
});

it("says in every conversation what to install", async () => {
  show(<ModelNote model="bot" isNew={false} />);
  const note = await screen.findByRole("note", { name: "The bot" });
  expect(note).toHaveTextContent("The bot (not installed)");
  expect(note).toHaveTextContent("A part of it is not installed on the server.");
  expect(within(note).getByText("prompter extras add tools").tagName).toBe("CODE");
});

const KEYLESS = provider("scripted", {
  status: "not_configured",
  description: "set PROMPTER_LLM__PROFILES__SCRIPTED__API_KEY",
  note: { code: "key_missing", params: {} },
  chosen: true,
});

it.each(["", "scripted", "scripted/some-model"])(
  "says of %o before a prompt that nobody answers",
  async (model) => {
    server.on("GET /providers/llm", () => json({ items: [provider("echo"), KEYLESS] }));
    show(<ModelNote model={model} isNew={false} />);
    const note = await screen.findByRole("note", { name: "Scripted" });
    expect(note).toHaveTextContent("Scripted (not set up)No model answers right now. Its key is missing.");
    expect(within(note).getByRole("link", { name: "Open settings" })).toBeVisible();
    expect(within(note).getByText("PROMPTER_LLM__PROFILES__SCRIPTED__API_KEY").tagName).toBe("CODE");
  },
);

it("says nothing of a model that answers, or that another one was chosen over", async () => {
  server.on("GET /providers/llm", () => json({ items: [provider("echo", { chosen: true }), KEYLESS] }));
  const { container } = show(<ModelNote model="" isNew />);
  await vi.waitFor(() => expect(server.requests).toHaveLength(1));
  expect(container).toBeEmptyDOMElement();
});

it("counts no assistant as a model that answers", () => {
  const assistants = listAssistants([provider("echo"), LOFT]);
  expect(assistants.map(({ id }) => id)).toEqual(["loft-chat"]);
  expect(isEchoOnly(["echo", "loft-chat"], assistants)).toBe(true);
  expect(isEchoOnly(["echo", "loft-chat", "ollama/qwen3"], assistants)).toBe(false);
  expect(listAssistants(undefined)).toEqual([]);
});

it("shows which model answers where none is chosen, and no test engine", async () => {
  show(<ModelPicker model="" onChoose={() => undefined} />);
  const menu = screen.getByRole("combobox", { name: "Model" });
  await vi.waitFor(() => expect(menu).toHaveDisplayValue("Qwen 3 8B"));
  expect(screen.queryByRole("option", { name: "Echo" })).toBeNull();
  services.settings.change({ showsMocks: true });
  expect(await screen.findByRole("option", { name: "Echo" })).toBeInTheDocument();
});

it("says that there is no model where answers only repeat", async () => {
  server.on("GET /providers/llm", () => json({ items: [{ ...ECHO, chosen: true }] }));
  show(<ModelPicker model="" onChoose={() => undefined} />);
  await vi.waitFor(() => expect(screen.getByRole("combobox")).toHaveDisplayValue("No model yet"));
});

it("goes on naming what was chosen, though it cannot run or is gone", async () => {
  const { rerender } = show(<ModelPicker model="bot" onChoose={() => undefined} />);
  await vi.waitFor(() => expect(screen.getByRole("combobox")).toHaveDisplayValue("The bot"));
  rerender(<ModelPicker model="lm_studio/gemma-2-9b-it" onChoose={() => undefined} />);
  await vi.waitFor(() => expect(screen.getByRole("combobox")).toHaveDisplayValue("Gemma 2 9B"));
});
