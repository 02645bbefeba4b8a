/** The page of the dictations: what it is for while there are none, and the press that begins. */
import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";

import { FakeApi, json } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { DictationsPage } from "./dictations-page";

afterEach(() => vi.unstubAllGlobals());

const DICTATION = {
  id: "d",
  text: "Good morning.",
  lang: "en",
  started_at: "2026-11-21T04:00:00Z",
  finals: 1,
  provider: null,
  state: "final",
  audio: null,
};

function show(dictations: object[]) {
  vi.stubGlobal("fetch", new FakeApi().on("GET /api/dictations", () => json(dictations)).fetch);
  const begin = vi.fn();
  renderWith(
    createTestServices(),
    <DictationsPage dictationId={null} onBegin={begin} renderRedo={() => null} />,
  );
  return begin;
}

test("without dictations it says what will be here, and one press begins", async () => {
  const begin = show([]);
  expect(await screen.findByText("No dictations yet")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Start dictating" }));
  expect(begin).toHaveBeenCalledOnce();
});

test("with dictations nothing is taught", async () => {
  show([DICTATION]);
  expect(await screen.findByRole("link", { name: /Good morning/ })).toHaveAttribute("href", "/dictations/d");
  expect(screen.queryByText("No dictations yet")).toBeNull();
});
