/** Better hearing in the page: named by what it gives, fetched with progress, gone on with, used, removed. */
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Checkpoint, Fetch, CheckpointList as Listed } from "@/shared/api/types";
import { parseSettings, SETTINGS_KEY } from "@/shared/lib/settings";
import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import CheckpointList from "./checkpoint-list";

const item = (name: string, more: Partial<Checkpoint> = {}): Checkpoint => ({
  name,
  kind: "whisper",
  size_bytes: 486_000_000,
  download_bytes: 486_000_000,
  partial_bytes: 0,
  languages: null,
  error_percent: 3.4,
  licence: "MIT",
  origin: "somebody",
  recommended: true,
  here: false,
  default: false,
  removable: false,
  engine: "whisper_local",
  model: name,
  can_run: true,
  speed: { rate: 0.4, measured: false, pace: "lags" },
  ...more,
});
const base = item("base", {
  error_percent: 5,
  size_bytes: 148_000_000,
  download_bytes: 0,
  here: true,
  default: true,
  removable: true,
  speed: { rate: 0.12, measured: true, pace: "keeps_up" },
});
const fetching = (more: Partial<Fetch> = {}): Fetch => ({
  name: "small",
  state: "fetching",
  done_bytes: 121_500_000,
  total_bytes: 486_000_000,
  bytes_per_s: 3_000_000,
  error: null,
  ...more,
});

let server: FakeApi;
let listed: Listed;
/** The server's choice. */
let engine: string;
beforeEach(() => {
  listed = { items: [base, item("small")], free_bytes: 20e9, may_change: true, fetch: null };
  engine = "whisper_local";
  server = new FakeApi()
    .on("GET /api/checkpoints", () => json(listed))
    .on("GET /providers/stt", () => json({ items: [{ name: engine, default: true, status: "ready" }] }))
    .on("GET /providers/llm", () => json({ items: [{ name: "echo", default: true, status: "ready" }] }));
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const show = (kind: Checkpoint["kind"] = "whisper") =>
  renderWith(createTestServices(), <CheckpointList kind={kind} />);
const kept = () => parseSettings(localStorage.getItem(SETTINGS_KEY));
const row = (name: string) => screen.findByRole("listitem", { name });

test("each is named by what it gives, with the speed of this machine", async () => {
  show();
  const good = await row("Good hearing");
  await waitFor(() => expect(good).toHaveTextContent("in use"));
  expect(good).toHaveTextContent("5% of words wrong in clearly read English · about 100 languages · 148 MB");
  expect(good).toHaveTextContent("This machine keeps up: 10 s of speech take it 1.2 s (measured).");
  const better = await row("Very good hearing");
  expect(better).toHaveTextContent("the text comes late: 10 s of speech take it 4 s (estimated)");
  expect(screen.getByText(/20 GB are free on the server’s disk/)).toBeVisible();
});

test("what another engine's place keeps idle is not in use, and can be used", async () => {
  engine = "cloud";
  show();
  await userEvent.click(await screen.findByRole("button", { name: "Use it: Good hearing" }));
  expect(await row("Good hearing")).toHaveTextContent("in use");
  expect(kept()).toMatchObject({ sttProvider: "whisper_local", sttModel: "base" });
});

test("a press fetches; the progress is read again until it is here, and then it can be used", async () => {
  server.on("POST /api/checkpoints/small/fetch", () => {
    listed = { ...listed, fetch: fetching() };
    return json(listed.fetch);
  });
  show();
  await userEvent.click(await screen.findByRole("button", { name: "Download, 486 MB: Very good hearing" }));
  const bar = await screen.findByRole("progressbar", { name: "Downloading: Very good hearing" });
  expect(bar).toHaveAttribute("aria-valuenow", "25");
  expect(screen.getByText("25%, 122 MB of 486 MB · about 3 minutes left")).toBeVisible();
  const here = item("small", { here: true, download_bytes: 0, removable: true });
  listed = { ...listed, items: [base, here], fetch: fetching({ state: "done" }) };
  await screen.findByText("It is here, and ready to use.");
  await userEvent.click(screen.getByRole("button", { name: "Use it: Very good hearing" }));
  expect(kept()).toMatchObject({ sttProvider: "whisper_local", sttModel: "small" });
  expect(await row("Very good hearing")).toHaveTextContent("in use");
  expect(await row("Good hearing")).not.toHaveTextContent("in use");
});

test("what is cancelled is kept, and gone on with", async () => {
  listed = { ...listed, fetch: fetching() };
  server.on("DELETE /api/checkpoints/small/fetch", () => {
    const left = item("small", { partial_bytes: 121_500_000 });
    listed = { ...listed, items: [base, left], fetch: fetching({ state: "cancelled" }) };
    return json(listed.fetch);
  });
  show();
  await userEvent.click(await screen.findByRole("button", { name: "Cancel: Very good hearing" }));
  expect(
    await screen.findByRole("button", { name: "Continue, 25% is here: Very good hearing" }),
  ).toBeEnabled();
  expect(screen.getByRole("button", { name: "Discard what is here: Very good hearing" })).toBeEnabled();
});

test.each([
  ["source_unreachable", {}, /connection broke. What is here is kept/],
  ["disk_full", { need_bytes: 700e6, free_bytes: 90e6 }, /700 MB must be free, and 90 MB are/],
  ["disk_full", {}, /disk is full/],
  ["folder_not_writable", {}, /may not write into its models folder/],
] as const)("%s %j is said in words of the page", async (code, more, words) => {
  const error = { code, message: "in English", need_bytes: null, free_bytes: null, ...more };
  listed = { ...listed, fetch: fetching({ state: "failed", error }) };
  show();
  expect(await screen.findByRole("alert")).toHaveTextContent(words);
  expect(screen.queryByText(/in English$/)).toBeNull();
});

test("a refusal is said too", async () => {
  server.on("POST /api/checkpoints/small/fetch", () => refusal(409, "fetch_under_way"));
  show();
  await userEvent.click(await screen.findByRole("button", { name: /^Download/ }));
  expect(await screen.findByText(/Another one is being downloaded/)).toBeVisible();
});

test("removal is asked about, and what was in use is used no more", async () => {
  const services = createTestServices();
  services.settings.change({ sttProvider: "whisper_local", sttModel: "base" });
  server.on("DELETE /api/checkpoints/base", () => {
    listed = { ...listed, items: [item("base", { error_percent: 5 }), item("small")] };
    return json({ status: "removed" });
  });
  renderWith(services, <CheckpointList kind="whisper" />);
  await userEvent.click(await screen.findByRole("button", { name: "Remove: Good hearing" }));
  expect(screen.getByText(/Remove 148 MB from the server\?/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Keep: Good hearing" }));
  expect(server.routes).not.toContain("DELETE /api/checkpoints/base");
  await userEvent.click(screen.getByRole("button", { name: "Remove: Good hearing" }));
  await userEvent.click(screen.getByRole("button", { name: "Remove: Good hearing" }));
  await waitFor(() => expect(server.routes).toContain("DELETE /api/checkpoints/base"));
  expect(kept().sttModel).toBe("");
});

test("who may not change anything is told whom to ask, and can use what is here", async () => {
  listed = { ...listed, items: [{ ...base, default: false }, item("small")], may_change: false };
  show();
  expect(await screen.findByText(/Whoever runs this server can download more/)).toBeVisible();
  expect(screen.getAllByRole("button").map((button) => button.textContent)).toEqual(["Use it"]);
});

test("what the server cannot run is not fetched for nothing", async () => {
  listed = { ...listed, items: [item("small", { can_run: false })] };
  show();
  expect(await row("Very good hearing")).toHaveTextContent("lacks the program that runs it");
  expect(screen.queryByRole("button")).toBeNull();
});

test("the few come first, and all on request; models are in a list of their own", async () => {
  const model = item("smollm2", {
    kind: "gguf",
    engine: "llama_local",
    model: "SmolLM2",
    here: true,
    speed: null,
  });
  const others = [item("medium.en", { recommended: false, languages: ["en"], error_percent: 3.1 })];
  listed = { ...listed, items: [base, ...others, model] };
  show();
  await row("Good hearing");
  expect(within(screen.getByRole("list")).getAllByRole("listitem")).toHaveLength(1);
  await userEvent.click(screen.getByRole("button", { name: "Show all" }));
  expect((await row("Very good hearing, English only")).textContent.match(/English/g)).toHaveLength(2);
});

test("a model that is here is chosen for new conversations", async () => {
  const model = item("smollm2", {
    kind: "gguf",
    engine: "llama_local",
    model: "SmolLM2",
    here: true,
    speed: null,
  });
  listed = { ...listed, items: [base, model] };
  show("gguf");
  await userEvent.click(
    await screen.findByRole("button", { name: "Use it: A very small model, for trying out" }),
  );
  expect(kept().chatModel).toBe("llama_local/SmolLM2");
});
