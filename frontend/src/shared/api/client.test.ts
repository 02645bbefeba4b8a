/** The token is added, renewed once and never twice at a time; refusals have one shape. */
import { expect, test } from "vitest";

import { FakeApi, json, refusal } from "@/test/fake-api";

import { ApiClient, ApiError } from "./client";
import { AuthSession } from "./session";

const tokens = (access_token: string, expires_in = 900, id = "ada") => ({
  access_token,
  expires_in,
  user: { id },
});

function set() {
  const server = new FakeApi();
  let nowMs = 0;
  const session = new AuthSession(server.fetch, () => nowMs);
  return {
    server,
    session,
    client: new ApiClient(session, server.fetch),
    pass: (ms: number) => (nowMs += ms),
  };
}

const bearer = (server: FakeApi) => server.requests.map(({ headers }) => headers.get("Authorization"));

test("a server that asks nobody gets no token", async () => {
  const { server, client } = set();
  server.on("GET /a", () => json([1]));
  expect(await client.json("/a")).toEqual([1]);
  expect(bearer(server)).toEqual([null]);
});

test("a token is sent, and renewed before it ends", async () => {
  const { server, session, client, pass } = set();
  server.on("GET /a", () => json(1)).on("POST /api/auth/refresh", () => json(tokens("second")));
  session.accept(tokens("first", 60));
  await client.json("/a");
  pass(31_000);
  await client.json("/a");
  expect(server.routes).toEqual(["GET /a", "POST /api/auth/refresh", "GET /a"]);
  expect(bearer(server)).toEqual(["Bearer first", null, "Bearer second"]);
  expect(server.requests[1]?.headers.get("X-Prompter-Refresh")).toBe("1");
});

test("many refused at once renew once, for a refresh token that comes twice ends the log-in", async () => {
  const { server, session, client } = set();
  server
    .on("GET /a", ({ headers }) =>
      headers.get("Authorization") === "Bearer new" ? json(1) : refusal(401, "unauthorized"),
    )
    .on("POST /api/auth/refresh", () => json(tokens("new")));
  session.accept(tokens("old"));
  await Promise.all([client.json("/a"), client.json("/a"), client.json("/a")]);
  expect(server.routes.filter((route) => route.includes("refresh"))).toHaveLength(1);
});

test("a log-in that is over ends the session; a server that is away does not", async () => {
  const { server, session, client } = set();
  server.on("GET /a", () => refusal(401, "unauthorized"));
  session.accept(tokens("old"));
  await expect(client.json("/a")).rejects.toMatchObject({ status: 401 });
  expect(session.state).toBe("in");
  server.on("POST /api/auth/refresh", () => refusal(401, "unauthorized"));
  await expect(client.json("/a")).rejects.toMatchObject({ code: "unauthorized" });
  expect(session.state).toBe("out");
  expect(await session.token()).toBeNull();
});

test("refusals carry what the server said", async () => {
  const { server, client } = set();
  server.on("GET /a", () => refusal(429, "too_many_attempts", { "Retry-After": "7" }));
  const error: unknown = await client.json("/a").catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ code: "too_many_attempts", status: 429, requestId: "r1", retryAfterS: 7 });
});

test("no JSON, and no server, are errors that can be shown too", async () => {
  const { server, client } = set();
  server.on("GET /a", () => new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await expect(client.json("/a")).rejects.toMatchObject({
    code: "http_error",
    status: 502,
    retryAfterS: null,
  });
  await expect(client.json("/nowhere")).rejects.toMatchObject({ code: "unreachable", status: 0 });
});

test("what was aborted stays an abort", async () => {
  const session = new AuthSession();
  const client = new ApiClient(session, () => Promise.reject(new DOMException("gone", "AbortError")));
  await expect(client.json("/a")).rejects.toMatchObject({ name: "AbortError" });
});

test("what makes something has a key of its own, and keeps it until it is answered", async () => {
  const { server, client } = set();
  const answers = [
    () => Promise.reject(new TypeError("network")),
    () => new Response("Bad gateway", { status: 502 }),
    () => json({ id: 1 }),
    () => refusal(409, "busy"),
    () => json({ id: 2 }),
    () => json({ id: 3 }),
  ];
  server.on("POST /a", () => answers.shift()!()).on("POST /b", () => json(1));
  const make = (body: unknown = { title: "x" }) => client.json("/a", { method: "POST", makes: true, body });
  await expect(make()).rejects.toMatchObject({ status: 0, isUncertain: true });
  await expect(make()).rejects.toMatchObject({ status: 502, isUncertain: true });
  await make(); // the same request as the first
  await expect(make()).rejects.toMatchObject({ code: "busy", isUncertain: false });
  await make();
  await make({ title: "y" });
  await client.json("/b", { method: "POST" });
  const keys = server.requests.map(({ headers }) => headers.get("Idempotency-Key"));
  expect(keys.slice(0, 3)).toEqual([keys[0], keys[0], keys[0]]);
  expect(new Set(keys.slice(2, 6)).size).toBe(4);
  expect(keys[6]).toBeNull();
});
