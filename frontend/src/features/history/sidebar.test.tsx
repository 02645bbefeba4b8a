/** The sidebar as somebody uses it: find, rename, delete, regret. */
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Router } from "wouter";
import { memoryLocation } from "wouter/memory-location";

import type { Services } from "@/shared/services";
import { Toaster } from "@/shared/ui/toaster";
import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { createDeletions, DeletionsContext } from "./deletions-context";
import { Sidebar } from "./sidebar";

const conversation = (id: string, title: string) => ({ id, title, updated_at: new Date().toISOString() });
let server: FakeApi;
let services: Services;

beforeEach(() => {
  services = createTestServices();
  server = new FakeApi()
    .on("GET /api/conversations", ({ path }) =>
      path.includes("before")
        ? json([conversation("c", "Third")])
        : json([conversation("a", "First"), conversation("b", "Second")], 200, {
            Link: '</api/conversations?limit=50&before=x>; rel="next"',
          }),
    )
    .on("PATCH /api/conversations/a", () => json(conversation("a", "New name")))
    .on("DELETE /api/conversations/a", () => json({ status: "deleted" }));
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

function show(path = "/c/a") {
  const place = memoryLocation({ path, record: true });
  renderWith(
    services,
    <DeletionsContext value={createDeletions(services)}>
      <Router hook={place.hook}>
        <Sidebar onCollapse={() => undefined} onOpen={() => undefined} footer={null} />
      </Router>
      <Toaster />
    </DeletionsContext>,
  );
  return place;
}

test("the open one is marked; more come when asked for", async () => {
  show();
  expect(await screen.findByRole("link", { name: "First" })).toHaveAttribute("aria-current", "page");
  await userEvent.click(screen.getByRole("button", { name: "Show more" }));
  expect(await screen.findByRole("link", { name: "Third" })).toBeVisible();
  expect(screen.queryByRole("button", { name: "Show more" })).toBeNull();
});

test("a name is changed by keyboard, and Escape leaves it", async () => {
  show();
  (await screen.findByRole("link", { name: "First" })).focus();
  await userEvent.keyboard("{F2}Other{Escape}");
  expect(server.routes.filter((route) => route.startsWith("PATCH"))).toEqual([]);
  screen.getByRole("link", { name: "First" }).focus();
  await userEvent.keyboard("{F2}New name{Enter}");
  await waitFor(() =>
    expect(server.requests.find(({ method }) => method === "PATCH")?.body).toEqual({ title: "New name" }),
  );
});

test("what is deleted disappears, and comes back when it is undone; the server hears nothing", async () => {
  const place = show();
  await userEvent.click(await screen.findByRole("button", { name: "Delete “First”" }));
  expect(screen.queryByRole("link", { name: "First" })).toBeNull();
  expect(place.history.at(-1)).toBe("/");
  await userEvent.click(within(screen.getByRole("status")).getByRole("button", { name: "Undo" }));
  expect(await screen.findByRole("link", { name: "First" })).toBeVisible();
  expect(server.routes.filter((route) => route.startsWith("DELETE"))).toEqual([]);
});

test("undoing the deletion of the open one leads back to it, where it was; who has gone on stays", async () => {
  const place = show("/c/a/m7");
  const undo = () =>
    userEvent.click(within(screen.getByRole("status")).getByRole("button", { name: "Undo" }));
  await userEvent.click(await screen.findByRole("button", { name: "Delete “First”" }));
  await undo();
  expect(place.history.at(-1)).toBe("/c/a/m7");
  await userEvent.click(await screen.findByRole("button", { name: "Delete “First”" }));
  await userEvent.click(screen.getByRole("link", { name: "Second" }));
  await undo();
  expect(place.history.at(-1)).toBe("/c/b");
});

test("undoing the deletion of another one leads nowhere", async () => {
  const place = show("/c/a");
  await userEvent.click(await screen.findByRole("button", { name: "Delete “Second”" }));
  await userEvent.click(within(screen.getByRole("status")).getByRole("button", { name: "Undo" }));
  expect(place.history).toEqual(["/c/a"]);
});

test("a search shows places with the words marked, and says when there are none", async () => {
  const hit = {
    kind: "message",
    conversation_id: "a",
    title: "First",
    message_id: "m",
    dictation_id: null,
    final_n: null,
  };
  server.on("GET /api/search", ({ path }) =>
    json(
      path.endsWith("beach")
        ? [{ ...hit, created_at: new Date().toISOString(), snippet: "the beach", matches: [[4, 9]] }]
        : [],
    ),
  );
  show();
  await userEvent.type(screen.getByRole("searchbox"), "beach");
  const found = await screen.findByRole("link", { name: /the beach/ });
  expect(found).toHaveAttribute("href", "/c/a/m");
  expect(within(found).getByText("beach").tagName).toBe("MARK");
  await userEvent.type(screen.getByRole("searchbox"), "zz");
  expect(await screen.findByText("Nothing found for “beachzz”.")).toBeVisible();
  await userEvent.click(screen.getByText("Clear the search", { selector: "nav button" }));
  expect(await screen.findByRole("link", { name: "First" })).toBeVisible();
});

test("no conversations, and none to be had, are told apart", async () => {
  server.on("GET /api/conversations", () => refusal(400, "bad_request"));
  show();
  expect(await screen.findByRole("alert")).toHaveTextContent("could not be loaded");
  server.on("GET /api/conversations", () => json([]));
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("No conversations yet")).toBeVisible();
  const composer = Object.assign(document.createElement("textarea"), { id: "composer" });
  composer.dataset.composer = "";
  document.body.append(composer);
  await userEvent.click(screen.getByRole("link", { name: "Ask the first question" }));
  await waitFor(() => expect(composer).toHaveFocus());
  composer.remove();
});

test("who logs out before a deletion is carried out has deleted all the same; the browser's other pages hear of it", async () => {
  const heard: unknown[] = [];
  const otherPage = new BroadcastChannel("prompter.conversations");
  otherPage.onmessage = ({ data }) => heard.push(data);
  server.on("DELETE /api/conversations/b", () => json({ status: "deleted" }));
  show();
  await userEvent.click(await screen.findByRole("button", { name: "Delete “Second”" }));
  await services.session.prepareLogOut();
  expect(server.routes.filter((route) => route.startsWith("DELETE"))).toEqual([
    "DELETE /api/conversations/b",
  ]);
  await waitFor(() => expect(heard).toEqual(["b"]));
  otherPage.close();
});
