/** A part that is loaded later: shown when it is there, and never missing without a word and a way on. */
import { act, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";

import { createTestServices, renderWith } from "@/test/services";

import { lazyPart, preloadParts } from "./lazy-part";

const PARTS = "This part of the page did not load";

function Hello({ name }: { name: string }) {
  return <p>Hello {name}</p>;
}

/** A server that can be away. */
function fakeServer() {
  const server = {
    isAway: false,
    asked: 0,
    fetchHello: () => {
      server.asked += 1;
      return server.isAway ? Promise.reject(new TypeError("away")) : Promise.resolve(Hello);
    },
  };
  return server;
}

it("says that it loads, then shows the part with its properties, and asks once", async () => {
  const server = fakeServer();
  const Part = lazyPart(server.fetchHello);
  renderWith(
    createTestServices(),
    <>
      <Part name="Ana" />
      <Part name="Eva" />
    </>,
  );
  expect(screen.getAllByRole("status")).toHaveLength(2);
  expect(await screen.findByText("Hello Ana")).toBeVisible();
  expect(screen.getByText("Hello Eva")).toBeVisible();
  expect(server.asked).toBe(1);
});

it("says that the part did not load, and loads it when asked again", async () => {
  const server = fakeServer();
  server.isAway = true;
  const Part = lazyPart(server.fetchHello);
  renderWith(createTestServices(), <Part name="Ana" />);
  expect(await screen.findByRole("alert")).toHaveTextContent(PARTS);
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByRole("alert")).toHaveTextContent(PARTS);
  server.isAway = false;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("Hello Ana")).toBeVisible();
});

it("is there at once when it was loaded while idle, and so are the parts that it brings", async () => {
  const server = fakeServer();
  const inner: { Part?: ReturnType<typeof lazyPart<{ name: string }>> } = {};
  const Outer = lazyPart(() => {
    inner.Part = lazyPart(server.fetchHello);
    return Promise.resolve(Hello);
  });
  await preloadParts(() => Promise.resolve());
  expect(server.asked).toBe(1);
  const Inner = inner.Part ?? Outer;
  renderWith(
    createTestServices(),
    <>
      <Outer name="Ana" />
      <Inner name="Eva" />
    </>,
  );
  expect(screen.getByText("Hello Ana")).toBeVisible();
  expect(screen.getByText("Hello Eva")).toBeVisible();
});

it("asks again when it is shown, after it failed while idle, and shows no old failure", async () => {
  const server = fakeServer();
  server.isAway = true;
  const Part = lazyPart(server.fetchHello);
  await Part.load();
  server.isAway = false;
  renderWith(createTestServices(), <Part name="Ana" />);
  expect(screen.queryByRole("alert")).toBeNull();
  await act(() => Part.load());
  expect(screen.getByText("Hello Ana")).toBeVisible();
});
