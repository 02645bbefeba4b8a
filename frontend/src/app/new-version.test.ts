/** An old page finds out that it is one, once, and a server that is away is no newer one. */
import { expect, test, vi } from "vitest";

import { FakeServer } from "@/test/fake-server";

import { buildOf, NewVersion } from "./new-version";

const page = (name: string) =>
  `<head><script type="module" crossorigin src="/assets/${name}"></script></head>`;

function set(served: () => Response) {
  const server = new FakeServer().on("GET /", served);
  let nowMs = 0;
  const tell = vi.fn();
  const version = new NewVersion("/assets/index-old.js", tell, server.fetch, () => nowMs, 1000);
  return { server, tell, version, pass: (ms: number) => (nowMs += ms) };
}

test("a page of the same build says nothing, and is asked for now and then only", async () => {
  const { server, tell, version, pass } = set(() => new Response(page("index-old.js")));
  await version.ask();
  await version.ask();
  pass(1000);
  await version.ask();
  expect(server.routes).toEqual(["GET /", "GET /"]);
  expect(server.asked[0]?.headers.get("Accept")).toBe("text/html");
  expect(tell).not.toHaveBeenCalled();
});

test("another build is told of once", async () => {
  const { server, tell, version, pass } = set(() => new Response(page("index-new.js")));
  await version.ask();
  pass(5000);
  await version.ask();
  expect(tell).toHaveBeenCalledOnce();
  expect(server.asked).toHaveLength(1);
});

test("a server that is away, ill, or has no page is no newer one", async () => {
  for (const served of [
    () => new Response("", { status: 502 }),
    () => new Response("its web app is not built"),
    () => {
      throw new TypeError("no network");
    },
  ]) {
    const { tell, version } = set(served);
    await version.ask();
    expect(tell).not.toHaveBeenCalled();
  }
});

test("while it is developed a page has no build", () => {
  expect(buildOf('<script type="module" src="/src/main.tsx"></script>')).toBeNull();
});
