/** The switch that keeps the sound of dictations: how long, on and off. */
import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";

import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { KeptAudioSwitch } from "./kept-audio-switch";

afterEach(() => vi.unstubAllGlobals());

function show(settings: object, changed = () => json({ keep_audio: false, audio_hours: 24 })) {
  const api = new FakeApi().on("GET /api/settings", () => json(settings)).on("PATCH /api/settings", changed);
  vi.stubGlobal("fetch", api.fetch);
  renderWith(createTestServices(), <KeptAudioSwitch />);
  return api;
}

const NAME = "Keep the sound of my dictations";

test.each([
  [24, /^For a day on the server/],
  [72, /^For 3 days on the server/],
  [1, /^For 1 hour on the server/],
])("%d hours are told in words", async (audio_hours, text) => {
  show({ keep_audio: true, audio_hours });
  expect(await screen.findByText(text)).toBeVisible();
});

test("it is switched off", async () => {
  const api = show({ keep_audio: true, audio_hours: 24 });
  await userEvent.click(await screen.findByRole("switch", { name: NAME }));
  expect(api.requests.at(-1)?.body).toEqual({ keep_audio: false });
  expect(screen.getByRole("switch", { name: NAME })).not.toBeChecked();
});

test("a change that fails is told, and the switch shows what holds", async () => {
  show({ keep_audio: true, audio_hours: 24 }, () => refusal(503, "storage_unavailable"));
  await userEvent.click(await screen.findByRole("switch", { name: NAME }));
  expect(await screen.findByRole("alert")).toBeVisible();
  expect(screen.getByRole("switch", { name: NAME })).toBeChecked();
});

test("where the server keeps nothing there is no switch", async () => {
  const api = show({ keep_audio: false, audio_hours: 0 });
  await vi.waitFor(() => expect(api.routes).toContain("GET /api/settings"));
  expect(screen.queryByRole("switch")).toBeNull();
});
