/** The card stands above the field while nothing can answer, and no longer. */
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";

import { FakeApi, json } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { ConnectCard } from "./connect-card";

const provider = (name: string, more = {}) => ({
  name,
  type: "local",
  status: "ready",
  description: `about ${name}`,
  default: false,
  chosen: false,
  assistant: null,
  connection: null,
  ...more,
});
const ECHO = provider("echo", { type: "mock", default: true, chosen: true });

const onModel = vi.fn<(model: string) => void>();
afterEach(() => {
  vi.unstubAllGlobals();
  onModel.mockClear();
});

async function show(items: object[], model = ""): Promise<FakeApi> {
  const server = new FakeApi().on("GET /providers/llm", () => json({ items }));
  vi.stubGlobal("fetch", server.fetch);
  renderWith(createTestServices(), <ConnectCard model={model} onModel={onModel} />);
  await vi.waitFor(() => expect(server.routes).toContain("GET /providers/llm"));
  return server;
}

test("where only the echo answers, it leads to the form", async () => {
  await show([ECHO, provider("ollama", { status: "unreachable" })]);
  expect(await screen.findByRole("region", { name: "No model answers yet" })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Connect a model" }));
  // Its frame is there first, and gives way to it.
  await waitFor(() => expect(screen.getByRole("dialog", { name: "Connect a model" })).toBeVisible());
});

test("a model server that was found is one press away", async () => {
  await show([
    ECHO,
    provider("ollama"),
    provider("loft-chat", { assistant: { title: "LOFT", description: "" } }),
  ]);
  await userEvent.click(await screen.findByRole("button", { name: "Use Ollama" }));
  expect(onModel).toHaveBeenCalledWith("ollama");
  expect(screen.queryByRole("button", { name: "Use LOFT" })).toBeNull();
});

test.each([
  ["a model answers", [provider("llama_local", { default: true, chosen: true }), ECHO], ""],
  [
    "the server's own model does not answer, which has a note of its own",
    [provider("ollama", { chosen: true, status: "unreachable" }), { ...ECHO, default: false, chosen: false }],
    "",
  ],
  ["another one is chosen", [ECHO], "ollama/qwen3"],
])("it is not there where %s", async (_, items, model) => {
  await show(items, model);
  await vi.waitFor(() => expect(document.body.textContent).toBe(""));
});
