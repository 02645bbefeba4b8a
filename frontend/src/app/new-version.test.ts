/** An old page finds a newer build once; a server that does not answer has none. */
import { expect, test, vi } from "vitest";

import { FakeApi } from "@/test/fake-api";

import { findBuild, VersionCheck } from "./new-version";

const page = (name: string) =>
  `<head><script type="module" crossorigin src="/assets/${name}"></script></head>`;

function set(served: () => Response) {
  const server = new FakeApi().on("GET /", served);
  let nowMs = 0;
  const tell = vi.fn();
  const version = new VersionCheck("/assets/index-old.js", tell, server.fetch, () => nowMs, 1000);
  return { server, tell, version, pass: (ms: number) => (nowMs += ms) };
}

test("a page of the same build says nothing, and is asked for now and then only", async () => {
  const { server, tell, version, pass } = set(() => new Response(page("index-old.js")));
  await version.check();
  await version.check();
  pass(1000);
  await version.check();
  expect(server.routes).toEqual(["GET /", "GET /"]);
  expect(server.requests[0]?.headers.get("Accept")).toBe("text/html");
  expect(tell).not.toHaveBeenCalled();
});

test("another build is told of once", async () => {
  const { server, tell, version, pass } = set(() => new Response(page("index-new.js")));
  await version.check();
  pass(5000);
  await version.check();
  expect(tell).toHaveBeenCalledOnce();
  expect(server.requests).toHaveLength(1);
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
    await version.check();
    expect(tell).not.toHaveBeenCalled();
  }
});

test("while it is developed a page has no build", () => {
  expect(findBuild('<script type="module" src="/src/main.tsx"></script>')).toBeNull();
});
