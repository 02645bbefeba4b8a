/** Imports in the settings: a file is picked or dropped, followed, read about, cancelled and removed. */
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { keys } from "@/shared/api/queries";
import type { Import, ImportReport } from "@/shared/api/types";
import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { ImportSection } from "./import-section";

const report = (more: Partial<ImportReport> = {}): ImportReport => ({
  sources: ["chatgpt"],
  created: 2,
  extended: 0,
  unchanged: 0,
  left_out: 0,
  messages: 40,
  files: 0,
  left: [],
  details: [],
  more_details: 0,
  ...more,
});
const item = (more: Partial<Import> = {}): Import => ({
  id: "i1",
  state: "working",
  name: "conversations.json",
  size_bytes: 1000,
  dry_run: false,
  done: 30,
  total: 120,
  report: null,
  error: null,
  created_at: "2026-11-30T05:00:00Z",
  ended_at: null,
  ...more,
});

let server: FakeApi;
let listed: Import[];
beforeEach(() => {
  listed = [];
  server = new FakeApi().on("GET /api/import", () => json(listed));
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const show = () => renderWith(createTestServices(), <ImportSection />);
const file = () => new File(["[]"], "conversations.json", { type: "application/json" });
const field = () => screen.findByLabelText(/Choose a file/);

test("a picked file is sent, and its progress followed to the report", async () => {
  server.on("POST /api/import", () => {
    listed = [item()];
    return json(listed[0], 202);
  });
  const services = createTestServices();
  services.queryClient.setQueryData(keys.messages("c1"), []);
  renderWith(services, <ImportSection />);
  await userEvent.upload(await field(), file());
  const bar = await screen.findByRole("progressbar", { name: "Importing: conversations.json" });
  expect(bar).toHaveAttribute("aria-valuenow", "25");
  expect(screen.getByText("30 of 120 conversations")).toBeVisible();
  expect(await field()).toBeDisabled();
  listed = [item({ state: "done", done: 120, report: report({ extended: 1, left_out: 3, files: 2 }) })];
  expect(await screen.findByText("2 new conversations, 40 messages", {}, { timeout: 5000 })).toBeVisible();
  expect(screen.getByText("2 files of messages")).toBeVisible();
  expect(screen.getByText("1 conversation got new messages or files")).toBeVisible();
  expect(services.queryClient.getQueryState(keys.messages("c1"))?.isInvalidated).toBe(true);
  expect(screen.getByText("3 conversations could not be imported")).toBeVisible();
  expect(await field()).toBeEnabled();
});

test("what was imported before the list is read again is shown too", async () => {
  server.on("POST /api/import", () => {
    listed = [item({ state: "done", done: 120, report: report() })];
    return json(item(), 202);
  });
  const services = createTestServices();
  for (const key of [keys.conversations, keys.messages("c1")]) services.queryClient.setQueryData(key, []);
  renderWith(services, <ImportSection />);
  await userEvent.upload(await field(), file());
  expect(await screen.findByRole("listitem", { name: "conversations.json" })).toBeVisible();
  for (const key of [keys.conversations, keys.messages("c1")])
    await waitFor(() => expect(services.queryClient.getQueryState(key)?.isInvalidated).toBe(true));
});

test("a dropped file is sent too", async () => {
  server.on("POST /api/import", () => json(item(), 202));
  show();
  fireEvent.drop(await field(), { dataTransfer: { files: [file()] } });
  await waitFor(() => expect(server.routes).toContain("POST /api/import"));
  expect(
    server.requests.find(({ method }) => method === "POST")?.headers.get("Idempotency-Key"),
  ).not.toBeNull();
});

test("what was left out is told in words, with the conversations that lack it", async () => {
  const left = [
    { reason: "image" as const, count: 3 },
    { reason: "future_date" as const, count: 1 },
  ];
  const details = [
    { title: "", outcome: "created" as const, left: [{ reason: "image" as const, count: 1 }] },
  ];
  listed = [item({ state: "done", report: report({ left, details, more_details: 7 }) })];
  show();
  await userEvent.click(await screen.findByText("What is missing or different"));
  expect(screen.getByText("3 pictures")).toBeVisible();
  expect(screen.getByText("1 date in the future, which became today’s")).toBeVisible();
  expect(screen.getByText("without a title")).toBeVisible();
  expect(screen.getByText("and 7 more")).toBeVisible();
});

test("a file that cannot be read says so in words of the page", async () => {
  const error = {
    code: "import_not_readable",
    message: "the archive is damaged or cut off; download it again",
    note: { code: "import_not_readable", params: {} },
  };
  listed = [item({ state: "failed", error, report: report({ created: 0 }) })];
  show();
  expect(await screen.findByRole("alert")).toHaveTextContent(/damaged, cut off, or no export/);
});

test("a refusal is said, and the file can be chosen again", async () => {
  server.on("POST /api/import", () => refusal(409, "import_under_way"));
  show();
  await userEvent.upload(await field(), file());
  expect(await screen.findByText(/Another import has not ended yet/)).toBeVisible();
  expect(await field()).toBeEnabled();
});

test("one that is under way is cancelled, and one that has ended taken from the list", async () => {
  listed = [item()];
  server.on("DELETE /api/import/i1", () => {
    listed = listed[0]?.state === "cancelled" ? [] : [item({ state: "cancelled", report: report() })];
    return json({ status: "cancelled" });
  });
  show();
  await userEvent.click(await screen.findByRole("button", { name: "Cancel" }));
  const entry = await screen.findByRole("listitem", { name: "conversations.json" });
  expect(await within(entry).findByText(/Cancelled: what had come stays/)).toBeVisible();
  await userEvent.click(within(entry).getByRole("button", { name: "Remove from the list" }));
  await waitFor(() => expect(screen.queryByRole("list", { name: "Imports" })).toBeNull());
});

test("each product's way to the file is told", async () => {
  show();
  await userEvent.click(await screen.findByText("Where do I get the file?"));
  for (const product of ["ChatGPT", "Claude", "Open WebUI", "LibreChat", "Chatbot UI", "PROMPTer"]) {
    expect(screen.getByText(product)).toBeVisible();
  }
});
