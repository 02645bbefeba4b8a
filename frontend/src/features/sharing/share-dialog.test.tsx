/** A conversation is shared: what is chosen is sent, the link is shown once made, and links are revoked. */
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { ShareDialog } from "./share-dialog";
import { SharesSection } from "./shares-section";

const SHARE = {
  id: "s1",
  url: "http://localhost/s/aaaa",
  conversation_id: "c1",
  title: "Holiday plans",
  kind: "snapshot",
  attachments: false,
  dictations: false,
  created_at: "2026-11-01T10:00:00Z",
  expires_at: null,
  expired: false,
};

let server: FakeApi;
let stored: (typeof SHARE)[];
beforeEach(() => {
  stored = [];
  server = new FakeApi()
    .on("GET /api/shares", () => json(stored))
    .on("POST /api/shares", () => {
      stored = [SHARE, ...stored];
      return json(SHARE, 201);
    })
    .on("DELETE /api/shares/s1", () => {
      stored = [];
      return json({ status: "deleted" });
    })
    .on("GET /api/conversations/c1/export", () => new Response("# Holiday plans"));
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
  localStorage.clear();
});

const showDialog = (isLocal = false) =>
  renderWith(
    createTestServices(),
    <ShareDialog conversationId="c1" isLocal={isLocal} onClose={() => undefined} />,
  );
const press = async (name: string) => userEvent.click(await screen.findByRole("button", { name }));

test("what is chosen is what is shared, and the link can be copied and opened", async () => {
  const user = userEvent.setup();
  showDialog();
  expect(screen.queryByText(/has no accounts/)).toBeNull();
  await user.click(screen.getByRole("radio", { name: "As it goes on" }));
  await user.click(screen.getByRole("switch", { name: "With its files" }));
  await user.selectOptions(screen.getByLabelText("The link ends"), "in a day");
  await user.click(screen.getByRole("button", { name: "Make a link" }));
  expect(await screen.findByLabelText("Address of the link")).toHaveValue(SHARE.url);
  const [request] = server.requests.filter(({ method }) => method === "POST");
  expect(request?.body).toEqual({
    conversation_id: "c1",
    kind: "live",
    attachments: true,
    dictations: false,
    expires_in_s: 86_400,
  });
  expect(request?.headers.get("Idempotency-Key")).not.toBeNull();
  await user.click(screen.getByRole("button", { name: "Copy link" }));
  expect(await navigator.clipboard.readText()).toBe(SHARE.url);
  const preview = screen.getByRole("link", { name: "See what it shows" });
  expect(preview).toHaveAttribute("href", SHARE.url);
  expect(preview).toHaveAttribute("rel", "noopener noreferrer");
  expect(screen.queryByRole("heading", { name: "Links to this conversation" })).toBeNull();
});

test("a conversation is copied as Markdown", async () => {
  const user = userEvent.setup();
  showDialog();
  await user.click(screen.getByRole("button", { name: "Copy as Markdown" }));
  expect(await screen.findByRole("button", { name: "Copied" })).toBeVisible();
  expect(await navigator.clipboard.readText()).toBe("# Holiday plans");
});

test("a refusal is told, and nothing is lost", async () => {
  server.on("POST /api/shares", () => refusal(409, "busy"));
  showDialog(true);
  expect(screen.getByRole("note")).toHaveTextContent("opens on its own machine only");
  await userEvent.click(screen.getByRole("radio", { name: "As it goes on" }));
  await press("Make a link");
  expect(await screen.findByRole("alert")).not.toBeEmptyDOMElement();
  expect(screen.getByRole("radio", { name: "As it goes on" })).toBeChecked();
});

test("links to the same conversation are revoked where they are made", async () => {
  stored = [SHARE, { ...SHARE, id: "s2", conversation_id: "c2", title: "Another" }];
  showDialog();
  const list = await screen.findByRole("list", { name: "Shared links" });
  expect(within(list).getAllByRole("listitem")).toHaveLength(1);
  await press("Revoke the link to “Holiday plans”");
  await press("Revoke");
  await waitFor(() => expect(screen.queryByRole("list", { name: "Shared links" })).toBeNull());
  expect(server.routes).toContain("DELETE /api/shares/s1");
});

test("the settings say what each link shows, and keep one whose address is lost revocable", async () => {
  stored = [
    { ...SHARE, kind: "live", attachments: true },
    { ...SHARE, id: "s2", title: "Old", expired: true },
    { ...SHARE, id: "s3", title: "Lost", url: null as unknown as string },
  ];
  renderWith(createTestServices(), <SharesSection isOff={false} />);
  expect(await screen.findByText(/As it goes on, since .* · with files · until you revoke it/)).toBeVisible();
  expect(screen.getByText(/ · ended$/)).toBeVisible();
  expect(screen.getByText("Its address can no longer be shown, but it opens.")).toBeVisible();
  expect(screen.getAllByRole("button", { name: "Copy link" })).toHaveLength(1);
  expect(screen.getAllByRole("button", { name: /Revoke the link/ })).toHaveLength(3);
});

test("where sharing is off the settings say so", async () => {
  renderWith(createTestServices(), <SharesSection isOff />);
  expect(await screen.findByText(/Sharing is turned off/)).toBeVisible();
});
