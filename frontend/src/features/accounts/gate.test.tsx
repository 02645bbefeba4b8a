/** Who is let in, who has to log in, and that nothing on the page is lost when a session ends. */
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Services } from "@/shared/services";
import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { AccountButton } from "./account-button";
import { Gate } from "./gate";

const me = {
  id: "1",
  name: "ada",
  role: "user",
  mode: "accounts",
  via: "session",
  scopes: [],
  expires_at: null,
};
const leavePage = vi.fn();
let services: Services;
let server: FakeApi;
let password = "right";

beforeEach(() => {
  leavePage.mockReset();
  services = createTestServices(leavePage);
  password = "right";
  server = new FakeApi()
    .on("GET /api/auth/me", ({ headers }) =>
      headers.has("Authorization") ? json(me) : refusal(401, "unauthorized"),
    )
    .on("POST /api/auth/refresh", () => refusal(401, "unauthorized"))
    .on("POST /api/auth/logout", () => json({ status: "logged_out" }))
    .on("POST /api/auth/login", ({ body }) =>
      (body as { password: string }).password === password
        ? json({ access_token: "t", expires_in: 900, user: { id: "1", name: "ada", role: "user" } })
        : refusal(401, "unauthorized"),
    );
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const show = () =>
  renderWith(
    services,
    <>
      <Gate>
        <textarea aria-label="draft" />
        <AccountButton />
      </Gate>
    </>,
  );

async function logIn(typed: string) {
  await userEvent.type(await screen.findByLabelText("Name"), "ada");
  await userEvent.type(screen.getByLabelText("Password"), `${typed}{Enter}`);
}

test("a server without accounts asks nobody", async () => {
  server.on("GET /api/auth/me", () => json({ ...me, mode: "none", via: "local", name: "local" }));
  show();
  expect(await screen.findByLabelText("draft")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Log out" })).toBeNull();
});

test("a server that does not answer can be tried again", async () => {
  server.on("GET /api/auth/me", () => {
    throw new TypeError("no network");
  });
  services.queryClient.setDefaultOptions({
    queries: { ...services.queryClient.getDefaultOptions().queries, retryDelay: 1 },
  });
  show();
  expect(await screen.findByRole("alert")).toHaveTextContent("The server does not answer.");
  server.on("GET /api/auth/me", () => json({ ...me, mode: "none" }));
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByLabelText("draft")).toBeVisible();
});

test("a wrong password says so; the right one opens the page; out again", async () => {
  show();
  await logIn("wrong");
  expect(await screen.findByRole("alert")).toHaveTextContent("The name or the password is wrong.");
  await userEvent.clear(screen.getByLabelText("Name"));
  await userEvent.clear(screen.getByLabelText("Password"));
  await logIn("right");
  expect(await screen.findByLabelText("draft")).toBeVisible();
  expect(server.requests.findLast(({ path }) => path.endsWith("login"))?.body).toEqual({
    name: "ada",
    password: "right",
    cookie: true,
  });
  await userEvent.click(screen.getByRole("button", { name: "Log out" }));
  await waitFor(() => expect(leavePage).toHaveBeenCalled());
  expect(services.session.state).toBe("out");
});

test("a session that ends asks over the page, and what was typed is still there", async () => {
  show();
  await logIn("right");
  const draft = await screen.findByLabelText("draft");
  await userEvent.type(draft, "not lost");
  services.session.end();
  expect(await screen.findByRole("dialog", { name: "Log in" })).toBeVisible();
  await logIn("right");
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(screen.getByLabelText("draft")).toHaveValue("not lost");
  expect(leavePage).not.toHaveBeenCalled();
});

test("somebody else who logs in then finds nothing of it", async () => {
  show();
  await logIn("right");
  await screen.findByLabelText("draft");
  services.session.end();
  await screen.findByRole("dialog", { name: "Log in" });
  server.on("POST /api/auth/login", () =>
    json({ access_token: "t", expires_in: 900, user: { id: "2", name: "bob", role: "user" } }),
  );
  await logIn("right");
  await waitFor(() => expect(leavePage).toHaveBeenCalled());
  expect(services.session.state).toBe("out");
});

test("a log-in on another page of the browser opens this one too", async () => {
  show();
  await screen.findByLabelText("Name");
  server.on("POST /api/auth/refresh", () => json({ access_token: "t", expires_in: 900, user: { id: "1" } }));
  services.session.end(); // as after a log-out there
  const other = new BroadcastChannel("prompter.session");
  other.postMessage({ userId: "1" });
  expect(await screen.findByLabelText("draft")).toBeVisible();
  other.close();
});

test("too many attempts say how long to wait", async () => {
  server.on("POST /api/auth/login", () => refusal(429, "too_many_attempts", { "Retry-After": "42" }));
  show();
  await logIn("x");
  expect(await screen.findByRole("alert")).toHaveTextContent("42 s");
});
