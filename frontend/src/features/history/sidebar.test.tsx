/** The sidebar as somebody uses it: find, rename, delete, regret. */
import { act, screen, waitFor, within } from "@testing-library/react";
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

const stamp = new Date().toISOString();
const conversation = (id: string, title: string) => ({ id, title, updated_at: stamp, created_at: stamp });
let server: FakeApi;
let services: Services;

beforeEach(() => {
  services = createTestServices();
  server = new FakeApi()
    .on("GET /api/conversations", ({ path }) =>
      path.includes("before")
        ? json([conversation("c", "Third")], 200, { "X-Total-Count": "3" })
        : json([conversation("a", "First"), conversation("b", "Second")], 200, {
            Link: '</api/conversations?limit=50&before=x>; rel="next"',
            "X-Total-Count": "3",
          }),
    )
    .on("PATCH /api/conversations/a", () => json(conversation("a", "New name")))
    .on("DELETE /api/conversations/a", () => json({ status: "deleted" }));
  vi.stubGlobal("fetch", server.fetch);
  observeEnd();
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** The end of the list comes into sight when the test says so: jsdom lays nothing out. */
function observeEnd() {
  const observed = new Set<() => void>();
  class Observer {
    readonly #callback: IntersectionObserverCallback;
    #report: (() => void) | null = null;
    constructor(callback: IntersectionObserverCallback) {
      this.#callback = callback;
    }
    observe(): void {
      const entry = { isIntersecting: true } as IntersectionObserverEntry;
      this.#report = () => this.#callback([entry], this as unknown as IntersectionObserver);
      observed.add(this.#report);
    }
    disconnect(): void {
      if (this.#report !== null) observed.delete(this.#report);
    }
  }
  vi.stubGlobal("IntersectionObserver", Observer);
  return { comesNear: () => act(() => observed.forEach((report) => report())) };
}

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

test("the open one is marked; more come as one scrolls, and it is said how many there are", async () => {
  const end = observeEnd();
  show();
  expect(await screen.findByRole("link", { name: "First" })).toHaveAttribute("aria-current", "page");
  expect(screen.getByText("2 of 3 conversations")).toBeInTheDocument();
  expect(services.announcements.get().text).toBe("");
  const focused = screen.getByRole("link", { name: "Second" });
  focused.focus();
  end.comesNear();
  expect(await screen.findByRole("link", { name: "Third" })).toBeVisible();
  expect(focused).toHaveFocus();
  expect(screen.queryByRole("button", { name: "Show more" })).toBeNull();
  expect(screen.getByText("3 conversations", { selector: "nav p" })).toBeInTheDocument();
  expect(services.announcements.get().text).toBe("3 conversations");
  expect(server.routes).toEqual([
    "GET /api/conversations?limit=50",
    "GET /api/conversations?limit=100&before=x",
  ]);
});

test("who presses for more goes on at the first that is new", async () => {
  show();
  const more = await screen.findByRole("button", { name: "Show more" });
  more.focus();
  await userEvent.keyboard("{Enter}");
  expect(await screen.findByRole("link", { name: "Third" })).toHaveFocus();
});

test("where more cannot be read, that is said, and nothing is asked until one tries again", async () => {
  const end = observeEnd();
  show();
  await screen.findByRole("link", { name: "First" });
  server.on("GET /api/conversations", () => refusal(400, "bad_request"));
  end.comesNear();
  expect(await screen.findByRole("alert")).toHaveTextContent("could not be loaded");
  expect(server.requests).toHaveLength(2);
  server.on("GET /api/conversations", () => json([conversation("c", "Third")]));
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByRole("link", { name: "Third" })).toHaveFocus();
});

test("a name is changed by keyboard, and Escape leaves it", async () => {
  show();
  (await screen.findByRole("link", { name: "First" })).focus();
  await userEvent.keyboard("{F2}Other{Escape}");
  expect(server.routes.filter((route) => route.startsWith("PATCH"))).toEqual([]);
  await waitFor(() => expect(screen.getByRole("link", { name: "First" })).toHaveFocus());
  await userEvent.keyboard("{F2}New name{Enter}");
  await waitFor(() =>
    expect(server.requests.find(({ method }) => method === "PATCH")?.body).toEqual({ title: "New name" }),
  );
});

test("the list is one stop of Tab; the arrow down leads there from the search, and the focus stays there", async () => {
  show("/c/b");
  await screen.findByRole("link", { name: "First" });
  screen.getByRole("searchbox").focus();
  await userEvent.tab();
  expect(screen.getByRole("link", { name: "Second" })).toHaveFocus(); // the open one
  await userEvent.keyboard("{ArrowUp}{ArrowRight}");
  expect(screen.getByRole("button", { name: "Rename “First”" })).toHaveFocus();
  await userEvent.tab();
  expect(screen.queryByRole("navigation")).not.toContainElement(document.activeElement as HTMLElement);
  screen.getByRole("searchbox").focus();
  await userEvent.keyboard("{ArrowDown}{Delete}");
  await waitFor(() => expect(screen.getByRole("link", { name: "Second" })).toHaveFocus());
  await userEvent.keyboard("{End}{Enter}");
  await waitFor(() => expect(screen.getByRole("link", { name: "Third" })).toHaveFocus());
  await userEvent.click(screen.getByRole("button", { name: "Undo" }));
});

test("what is deleted disappears, and comes back when it is undone; the server hears nothing", async () => {
  const place = show();
  await userEvent.click(await screen.findByRole("button", { name: "Delete “First”" }));
  expect(screen.queryByRole("link", { name: "First" })).toBeNull();
  expect(place.history.at(-1)).toBe("/");
  await userEvent.click(screen.getByRole("button", { name: "Undo" }));
  expect(await screen.findByRole("link", { name: "First" })).toBeVisible();
  expect(server.routes.filter((route) => route.startsWith("DELETE"))).toEqual([]);
});

test("undoing the deletion of the open one leads back to it, where it was; who has gone on stays", async () => {
  const place = show("/c/a/m7");
  const undo = () => userEvent.click(screen.getByRole("button", { name: "Undo" }));
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
  await userEvent.click(screen.getByRole("button", { name: "Undo" }));
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

test("more places of a conversation take the focus of the button that showed them", async () => {
  const hit = (n: number) => ({
    kind: "message",
    conversation_id: "a",
    title: "First",
    message_id: `m${n}`,
    dictation_id: null,
    final_n: null,
    created_at: new Date().toISOString(),
    snippet: `place ${n}`,
    matches: [],
  });
  server.on("GET /api/search", () => json([1, 2, 3, 4, 5].map(hit)));
  show();
  await userEvent.type(screen.getByRole("searchbox"), "place");
  (await screen.findByRole("button", { name: "2 more places" })).focus();
  await userEvent.keyboard("{Enter}");
  await waitFor(() => expect(screen.getByRole("link", { name: "place 4" })).toHaveFocus());
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

test("some are selected, exported together, and the list is as before", async () => {
  const user = userEvent.setup();
  server.on("GET /api/export", () =>
    json({}, 200, { "Content-Disposition": 'attachment; filename="x.zip"' }),
  );
  URL.createObjectURL = () => "blob:x";
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockReturnValue();
  show();
  await screen.findByRole("link", { name: "First" });
  const begin = screen.getByRole("button", { name: "Select conversations" });
  await user.click(begin);
  const bar = await screen.findByRole("region", { name: "Select conversations" });
  expect(screen.queryByRole("link", { name: "First" })).toBeNull();
  expect(await within(bar).findByRole("button", { name: "Export" })).toBeDisabled();
  await user.click(screen.getByRole("checkbox", { name: "Second" }));
  expect(screen.getByRole("checkbox", { name: "Second" })).toBeChecked();
  expect(within(bar).getByText("1 selected")).toBeVisible();
  await user.selectOptions(within(bar).getByRole("combobox"), "html");
  await user.click(within(bar).getByRole("button", { name: "Export" }));
  await waitFor(() => expect(server.routes.at(-1)).toMatch(/^GET \/api\/export\?.*format=html.*ids=b$/));
  await user.click(within(bar).getByRole("button", { name: "Select all listed" }));
  expect(within(bar).getByText("2 selected")).toBeVisible();
  await user.click(within(bar).getByRole("button", { name: "Select none" }));
  expect(within(bar).getByText("0 selected")).toBeVisible();
  await user.keyboard("{Escape}");
  expect(await screen.findByRole("link", { name: "First" })).toBeVisible();
  expect(begin).toHaveFocus();
});
