/** The jump palette by keyboard and by pointer: the focus stays in its field, and it leads where it says. */
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Router } from "wouter";
import { memoryLocation } from "wouter/memory-location";

import { FakeApi, json } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { createDeletions, DeletionsContext } from "./deletions-context";
import { Palette } from "./palette";

const stamp = new Date().toISOString();
const conversation = (id: string, title: string) => ({ id, title, updated_at: stamp, created_at: stamp });
const hit = {
  kind: "message",
  conversation_id: "b",
  title: "Taxes",
  message_id: "m",
  dictation_id: null,
  final_n: null,
};
let server: FakeApi;

beforeEach(() => {
  Element.prototype.scrollIntoView = () => undefined;
  server = new FakeApi()
    .on("GET /api/conversations", () =>
      json([conversation("a", "Beach holidays"), conversation("b", "Taxes")]),
    )
    .on("GET /api/search", () =>
      json([{ ...hit, created_at: stamp, snippet: "paid at the beach", matches: [[12, 17]] }]),
    );
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

function show() {
  const services = createTestServices();
  const place = memoryLocation({ path: "/", record: true });
  const run = vi.fn();
  const close = vi.fn();
  renderWith(
    services,
    <DeletionsContext value={createDeletions(services)}>
      <Router hook={place.hook}>
        <Palette actions={[{ id: "settings", name: "Settings", keys: [], run }]} onClose={close} />
      </Router>
    </DeletionsContext>,
  );
  return { place, run, close, field: screen.getByRole("combobox") };
}

const activeText = (field: HTMLElement): string | undefined =>
  document.getElementById(field.getAttribute("aria-activedescendant") ?? "")?.textContent;

test("arrows choose, Enter goes there, and the focus never leaves the field", async () => {
  const { place, close, field } = show();
  await screen.findByRole("option", { name: "Taxes" });
  expect(field).toHaveFocus();
  expect(activeText(field)).toBe("Settings");
  await userEvent.keyboard("{ArrowDown}{ArrowDown}");
  expect(activeText(field)).toBe("Taxes");
  await userEvent.keyboard("{ArrowDown}");
  expect(activeText(field)).toBe("Settings"); // from the end to the beginning
  await userEvent.keyboard("{ArrowUp}");
  expect(screen.getByRole("option", { selected: true })).toHaveTextContent("Taxes");
  expect(field).toHaveFocus();
  await userEvent.keyboard("{Enter}");
  expect(place.history.at(-1)).toBe("/c/b");
  expect(close).toHaveBeenCalledOnce();
});

test("titles come at once, texts when the server has found them; what was chosen stays chosen", async () => {
  const { place, field } = show();
  await screen.findByRole("option", { name: "Taxes" });
  await userEvent.type(field, "beach");
  expect(activeText(field)).toBe("Beach holidays");
  const place_ = await screen.findByRole("option", { name: /paid at the beach/ });
  expect(within(place_).getByText("beach").tagName).toBe("MARK");
  expect(activeText(field)).toBe("Beach holidays");
  expect(screen.getByRole("status")).toHaveTextContent("2 results");
  await userEvent.click(place_);
  expect(place.history.at(-1)).toBe("/c/b/m");
});

test("an action runs; the same keys that open the palette close it", async () => {
  const { run, close, field } = show();
  await userEvent.type(field, "sett{Enter}");
  expect(run).toHaveBeenCalledOnce();
  await userEvent.keyboard("{Control>}k{/Control}");
  expect(close).toHaveBeenCalledTimes(2);
});

test("it says where there is nothing, once the server has looked", async () => {
  server.on("GET /api/search", () => json([]));
  const { field } = show();
  await userEvent.type(field, "qqq");
  await waitFor(() => expect(screen.getByRole("status")).toHaveTextContent("Nothing found for “qqq”."));
  expect(field).not.toHaveAttribute("aria-activedescendant");
});
