/** One browser, several pages, one cookie: whose page it is stays so, and all of them know when it ends. */
import { expect, onTestFinished, test, vi } from "vitest";

import { FakeApi, json } from "@/test/fake-api";

import { AuthSession } from "./session";

const tokens = (id: string, expires_in = 900) => ({ access_token: `${id}'s`, expires_in, user: { id } });
let browsers = 0;

function pages(count: number) {
  const server = new FakeApi();
  let nowMs = 0;
  const name = `session ${browsers++}`;
  const made = Array.from({ length: count }, () => {
    const channel = new BroadcastChannel(name);
    onTestFinished(() => channel.close());
    const leave = vi.fn();
    return { session: new AuthSession(server.fetch, () => nowMs, leave, channel), leave };
  });
  return { server, made, pass: (ms: number) => (nowMs += ms) };
}

test("a renewal that is another user's is not taken: the page is left", async () => {
  const { server, made, pass } = pages(1);
  const [{ session, leave }] = made as [(typeof made)[0]];
  server.on("POST /api/auth/refresh", () => json(tokens("bob")));
  session.accept(tokens("ada"));
  pass(900_000);
  expect(await session.token()).toBeNull();
  expect(session.state).toBe("out");
  expect(leave).toHaveBeenCalledOnce();
});

test("a log-out is seen by the other pages", async () => {
  const { made } = pages(2);
  made.forEach(({ session }) => session.accept(tokens("ada")));
  made[0]?.session.logOut();
  await vi.waitFor(() => expect(made[1]?.leave).toHaveBeenCalledOnce());
  expect(made[1]?.session.state).toBe("out");
  expect(made[0]?.leave).toHaveBeenCalledOnce();
});

test("a log-in is seen by pages that wait for it, and by those of somebody else", async () => {
  const { server, made } = pages(4);
  const [here, waiting, ended, elses] = made.map(({ session }) => session) as [
    AuthSession,
    AuthSession,
    AuthSession,
    AuthSession,
  ];
  server.on("POST /api/auth/refresh", () => json(tokens("ada")));
  waiting.end();
  ended.accept(tokens("ada"));
  ended.end();
  elses.accept(tokens("bob"));
  here.logIn(tokens("ada"));
  await vi.waitFor(() => expect([waiting.state, ended.state, elses.state]).toEqual(["in", "in", "out"]));
  expect(made.map(({ leave }) => leave.mock.calls.length)).toEqual([0, 0, 0, 1]);
});

test("a page of a server that asks nobody does not mind", async () => {
  const { made } = pages(2);
  const [out, open] = made as [(typeof made)[0], (typeof made)[0]];
  out.session.logOut();
  await new Promise((heard) => setTimeout(heard));
  expect(open.session.state).toBe("open");
  expect(open.leave).not.toHaveBeenCalled();
});

test("after a page that went in the midst of a renewal the next one waits, not to send the same token twice", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const server = new FakeApi().on("POST /api/auth/refresh", () => new Promise<Response>(() => undefined));
  void new AuthSession(server.fetch).renew();
  await vi.advanceTimersByTimeAsync(500);
  server.on("POST /api/auth/refresh", () => json(tokens("ada")));
  const next = new AuthSession(server.fetch).renew();
  await vi.advanceTimersByTimeAsync(1400);
  expect(server.requests).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(200);
  expect(await next).toBe(true);
  expect(server.requests).toHaveLength(2);
  const at = Date.now();
  expect(await new AuthSession(server.fetch).renew()).toBe(true);
  expect(Date.now()).toBe(at);
});
