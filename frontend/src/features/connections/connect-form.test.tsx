/** One press connects a model; what keeps it from answering is told in words, and the key is not kept. */
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { ConnectionTrial } from "@/shared/api/types";
import type { Services } from "@/shared/services";
import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { ConnectForm } from "./connect-form";

const KEY = "sk-canary-of-the-page";
/** The last one answers nothing, and is not offered. */
const MODELS = ["gpt-5-mini", "gpt-5", "text-embedding-3-small"];
const trial = (more: Partial<ConnectionTrial> = {}): ConnectionTrial => ({
  ok: true,
  problem: null,
  message: "",
  vendor: "openai",
  title: "OpenAI",
  base_url: "https://api.openai.com/v1",
  models: ["gpt-5-mini", "gpt-5"],
  model: "gpt-5-mini",
  list_ms: 200,
  first_token_ms: 640,
  ...more,
});
const connection = (more = {}) => ({
  id: "c1",
  name: "my.openai",
  title: "OpenAI",
  vendor: "openai",
  base_url: "https://api.openai.com/v1",
  has_key: true,
  key_hint: "page",
  needs_key: false,
  model: "gpt-5-mini",
  models: [],
  shared: false,
  created_at: "2026-11-29T10:00:00Z",
  updated_at: "2026-11-29T10:00:00Z",
  ...more,
});

let services: Services;
let server: FakeApi;
const onConnected = vi.fn<(model: string) => void>();
const onClose = vi.fn<() => void>();

beforeEach(() => {
  onConnected.mockClear();
  onClose.mockClear();
  services = createTestServices();
  server = new FakeApi()
    .on("POST /api/connections/test", () => json(trial({ models: MODELS })))
    .on("POST /api/connections", () => json(connection(), 201))
    .on("PATCH /api/connections/c1", ({ body }) => json(connection(body as object)));
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
  localStorage.clear();
});

const show = () => renderWith(services, <ConnectForm onConnected={onConnected} onClose={onClose} />);
const press = (name: string) => userEvent.click(screen.getByRole("button", { name }));
const sent = (route: string) =>
  server.requests.filter(({ method, path }) => `${method} ${path}` === route).map(({ body }) => body);

test("a key and one press are enough, and what answered is told", async () => {
  show();
  expect(screen.getByRole("button", { name: "Connect" })).toBeDisabled();
  await userEvent.type(screen.getByLabelText("Key"), KEY);
  await press("Connect");
  expect(await screen.findByRole("status")).toHaveTextContent(
    "OpenAI answers: GPT-5 mini took 0.6 s to begin.",
  );
  const address = { vendor: "openai", base_url: "https://api.openai.com/v1", api_key: KEY };
  expect(sent("POST /api/connections/test")).toEqual([{ ...address, model: "" }]);
  expect(sent("POST /api/connections")).toEqual([{ ...address, model: "gpt-5-mini", models: [] }]);
  expect(onConnected).toHaveBeenLastCalledWith("my.openai/gpt-5-mini");
  await userEvent.selectOptions(screen.getByLabelText("Answer with one of 2 models"), "gpt-5");
  await waitFor(() => expect(onConnected).toHaveBeenLastCalledWith("my.openai/gpt-5"));
  await press("Done");
  expect(onClose).toHaveBeenCalledOnce();
});

test("the key stays nowhere in the browser", async () => {
  const page = show();
  await userEvent.type(screen.getByLabelText("Key"), KEY);
  await press("Connect");
  await screen.findByRole("status");
  expect(document.body.innerHTML).not.toContain(KEY);
  expect(JSON.stringify({ ...localStorage, ...sessionStorage })).not.toContain(KEY);
  page.unmount();
  await waitFor(() =>
    expect(
      JSON.stringify(
        services.queryClient
          .getMutationCache()
          .getAll()
          .map(({ state }) => state),
      ),
    ).not.toContain(KEY),
  );
});

test("a preset fills the address, and wants no key on one's own computer", async () => {
  show();
  await userEvent.click(screen.getByLabelText("Ollama"));
  expect(screen.getByLabelText("Address")).toHaveValue("http://127.0.0.1:11434/v1");
  expect(screen.getByLabelText("Key, if it wants one")).toHaveValue("");
  expect(screen.getByRole("button", { name: "Connect" })).toBeEnabled();
  await userEvent.click(screen.getByLabelText("Something else"));
  expect(screen.getByLabelText("Address")).toHaveValue("");
  expect(screen.getByRole("button", { name: "Connect" })).toBeDisabled();
});

test.each([
  ["wrong_key", "The key was not accepted."],
  ["unknown_host", "There is no such address."],
  ["tls", "No secure connection is possible"],
  ["no_api", "There is a web page, not a model."],
] as const)("%s is told in words, and nothing is stored", async (problem, words) => {
  server.on("POST /api/connections/test", () =>
    json(trial({ ok: false, problem, message: "in the server's words", models: [], model: "" })),
  );
  show();
  await userEvent.type(screen.getByLabelText("Key"), KEY);
  await press("Connect");
  expect(await screen.findByRole("alert")).toHaveTextContent(words);
  expect(document.body).not.toHaveTextContent("in the server's words");
  expect(sent("POST /api/connections")).toEqual([]);
  expect(screen.queryByRole("button", { name: "Keep it anyway" })).toBeNull();
  expect(screen.getByLabelText("Key")).toHaveValue(KEY);
});

test("a program that does not run is asked for by its name", async () => {
  server.on("POST /api/connections/test", () => json(trial({ ok: false, problem: "refused" })));
  show();
  await userEvent.click(screen.getByLabelText("LM Studio"));
  await press("Connect");
  expect(await screen.findByRole("alert")).toHaveTextContent("Is LM Studio running");
});

test("a refused address says how it can be allowed", async () => {
  server.on("POST /api/connections/test", () => refusal(400, "base_url_not_allowed"));
  show();
  await userEvent.click(screen.getByLabelText("Something else"));
  await userEvent.type(screen.getByLabelText("Address"), "http://192.168.1.20:11434/v1");
  await press("Connect");
  const alert = await screen.findByRole("alert");
  expect(alert).toHaveTextContent("This server may not go to that address.");
  const setting = within(alert).getByText("PROMPTER_LLM__ALLOWED_BASE_URLS=http://192.168.1.20:11434");
  expect(setting).not.toBeVisible();
  await userEvent.click(within(alert).getByText("For whoever runs the server"));
  expect(setting).toBeVisible();
});

test("where no models are listed, one is named", async () => {
  server.on("POST /api/connections/test", ({ body }) =>
    json(
      (body as { model: string }).model
        ? trial({ models: [], model: "mine" })
        : trial({ ok: false, problem: "no_models", models: [], model: "" }),
    ),
  );
  show();
  await userEvent.type(screen.getByLabelText("Key"), KEY);
  await press("Connect");
  await userEvent.type(await screen.findByLabelText("Name of the model"), "mine");
  await press("Connect");
  expect(await screen.findByRole("status")).toHaveTextContent("OpenAI answers");
  expect(sent("POST /api/connections/test").at(-1)).toMatchObject({ model: "mine" });
});

test("what is only slow may be kept", async () => {
  server.on("POST /api/connections/test", () =>
    json(trial({ ok: false, problem: "too_slow", first_token_ms: null })),
  );
  show();
  await userEvent.type(screen.getByLabelText("Key"), KEY);
  await press("Connect");
  await userEvent.click(await screen.findByRole("button", { name: "Keep it anyway" }));
  expect(await screen.findByRole("status")).toHaveTextContent("is connected, and has not answered yet");
  expect(onConnected).toHaveBeenCalledWith("my.openai/gpt-5-mini");
});
