/** Logging out: at once, or after a question where something would be lost. */
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";

import { UnsentWork } from "@/shared/lib/unsent-work";
import { FakeApi, json } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { AccountButton } from "./account-button";

afterEach(() => {
  vi.unstubAllGlobals();
});

function show() {
  const left = vi.fn();
  const services = createTestServices(left);
  const me = { id: "u", name: "Ada", mode: "accounts", via: "session" };
  const server = new FakeApi()
    .on("GET /api/auth/me", () => json(me))
    .on("POST /api/auth/logout", () => json({}));
  vi.stubGlobal("fetch", server.fetch);
  renderWith(services, <AccountButton />);
  const press = async () => userEvent.click(await screen.findByRole("button", { name: "Log out" }));
  return { services, left, server, press };
}

test("nothing is asked where nothing would be lost", async () => {
  const { left, press } = show();
  await press();
  await waitFor(() => expect(left).toHaveBeenCalledOnce());
});

test("unsent text and a running dictation, here or in another tab, are asked about first", async () => {
  const { left, services, server, press } = show();
  services.unsent.register("text", () => true);
  const other = new UnsentWork("prompter.unsent");
  other.register("dictation", () => true);
  await press();
  const dialog = await screen.findByRole("dialog", { name: "Log out?" });
  expect(dialog).toHaveTextContent("In this tab there is text that you have not sent.");
  expect(dialog).toHaveTextContent("In another tab a dictation is running.");
  expect(screen.getByRole("button", { name: "Stay logged in" })).toHaveFocus();
  await userEvent.click(screen.getByRole("button", { name: "Stay logged in" }));
  expect(screen.queryByRole("dialog")).toBeNull();
  expect(server.routes).not.toContain("POST /api/auth/logout");
  await press();
  await screen.findByRole("dialog");
  await userEvent.click(screen.getByRole("button", { name: "Log out and delete it" }));
  await waitFor(() => expect(left).toHaveBeenCalledOnce());
});
