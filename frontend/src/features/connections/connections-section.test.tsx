/** The settings list what was connected: try it, use it, replace its key, share it, remove it. */
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Services } from "@/shared/services";
import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { ConnectionsSection } from "./connections-section";

const CONNECTION = {
  id: "c1",
  name: "my.openai",
  title: "OpenAI",
  vendor: "openai",
  base_url: "https://api.openai.com/v1",
  has_key: true,
  key_hint: "9f3a",
  needs_key: false,
  model: "gpt-5-mini",
  models: [],
  shared: false,
  created_at: "2026-11-29T10:00:00Z",
  updated_at: "2026-11-29T10:00:00Z",
};

let services: Services;
let server: FakeApi;
let stored: object[];
beforeEach(() => {
  stored = [CONNECTION];
  services = createTestServices();
  server = new FakeApi()
    .on("GET /api/connections", () => json(stored))
    .on("PATCH /api/connections/c1", ({ body }) => {
      const { api_key: key, ...rest } = body as { api_key?: string };
      stored = [{ ...CONNECTION, ...rest, ...(key ? { key_hint: key.slice(-4), needs_key: false } : {}) }];
      return json(stored[0]);
    })
    .on("DELETE /api/connections/c1", () => {
      stored = [];
      return json({ status: "deleted" });
    })
    .on("POST /api/connections/c1/test", () =>
      json({ ok: false, problem: "wrong_key", message: "", models: [], model: "" }),
    );
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
  localStorage.clear();
});

const show = (canShare = false) => renderWith(services, <ConnectionsSection canShare={canShare} />);
const press = async (name: string) => userEvent.click(await screen.findByRole("button", { name }));

test("a connection is used, and tried with its stored key", async () => {
  show();
  expect(await screen.findByText("Key ending in 9f3a")).toBeVisible();
  await press("Use it");
  expect(services.settings.get().chatModel).toBe("my.openai/gpt-5-mini");
  expect(screen.getByRole("button", { name: "In use" })).toBeDisabled();
  await press("Try it");
  expect(await screen.findByRole("alert")).toHaveTextContent("The key was not accepted.");
  expect(screen.queryByRole("switch")).toBeNull();
});

test("a key is replaced, and leaves the field", async () => {
  show();
  await press("Replace the key");
  await userEvent.type(screen.getByLabelText("New key"), "sk-the-new-one");
  await press("Save the key");
  expect(await screen.findByText("Key ending in -one")).toBeVisible();
  expect(screen.queryByLabelText("New key")).toBeNull();
});

test("a key that was not stored stays in the field", async () => {
  server.on("PATCH /api/connections/c1", () => refusal(503, "server_full"));
  show();
  await press("Replace the key");
  await userEvent.type(screen.getByLabelText("New key"), "sk-the-new-one");
  await press("Save the key");
  expect(await screen.findByRole("alert")).toBeVisible();
  expect(screen.getByLabelText("New key")).toHaveValue("sk-the-new-one");
  expect(screen.getByRole("button", { name: "Save the key" })).toBeEnabled();
});

test("a key that was lost is asked for at once", async () => {
  stored = [{ ...CONNECTION, needs_key: true }];
  show();
  expect(await screen.findByText("Its key cannot be read any more. Enter it again.")).toBeVisible();
  expect(screen.getByLabelText("New key")).toBeVisible();
});

test("what is removed is no longer the model of new conversations", async () => {
  services.settings.change({ chatModel: "my.openai/gpt-5" });
  show();
  await press("Remove OpenAI");
  await press("Remove");
  await waitFor(() => expect(screen.queryByText("OpenAI")).toBeNull());
  expect(services.settings.get().chatModel).toBe("");
});

test("what is to be removed is asked about first, and stays the model where it stays", async () => {
  stored = [{ ...CONNECTION, shared: true }];
  server.on("DELETE /api/connections/c1", () => refusal(503, "server_full"));
  services.settings.change({ chatModel: "my.openai/gpt-5" });
  show();
  await press("Remove OpenAI");
  expect(screen.getByText("Remove OpenAI and its key, for everybody?")).toBeVisible();
  expect(server.routes).not.toContain("DELETE /api/connections/c1");
  await press("Keep");
  await press("Remove OpenAI");
  await press("Remove");
  expect(await screen.findByRole("alert")).toBeVisible();
  expect(screen.getByRole("button", { name: "Remove OpenAI" })).toBeEnabled();
  expect(services.settings.get().chatModel).toBe("my.openai/gpt-5");
});

test("without one it says what could be here, and the press opens the form", async () => {
  stored = [];
  show();
  expect(await screen.findByText("No model of your own yet")).toBeVisible();
  await press("Connect a model");
  // Its frame is there first, and gives way to it.
  await waitFor(() => expect(screen.getByRole("dialog", { name: "Connect a model" })).toBeVisible());
});

test("the button comes with the list, which would push it away from under a press", async () => {
  let answer = (_: Response): void => undefined;
  server.on("GET /api/connections", () => new Promise<Response>((resolve) => (answer = resolve)));
  show();
  await waitFor(() => expect(server.routes).toContain("GET /api/connections"));
  expect(screen.queryByRole("button", { name: "Connect a model" })).toBeNull();
  answer(json(stored));
  expect(await screen.findByRole("button", { name: "Connect a model" })).toBeVisible();
  expect(screen.getByRole("list", { name: "Your models" })).toBeVisible();
});

test("where the list does not come, a model can be connected all the same", async () => {
  server.on("GET /api/connections", () => refusal(403, "forbidden"));
  show();
  expect(await screen.findByRole("button", { name: "Connect a model" })).toBeVisible();
});

test("an admin shares it with everybody", async () => {
  show(true);
  await userEvent.click(await screen.findByRole("switch", { name: /Share with everybody/ }));
  await waitFor(() => expect(screen.getByRole("switch")).toBeChecked());
  expect(server.requests.find(({ method }) => method === "PATCH")?.body).toEqual({ shared: true });
});
