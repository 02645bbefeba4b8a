/** One dictation: its state, its sound with the word that is heard, its versions, and what can be deleted. */
import { fireEvent, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { FakeApi, json } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { DictationDetail } from "./dictation-detail";

const word = (text: string, start_ms: number) => ({
  word: text,
  start_ms,
  end_ms: start_ms + 300,
  confidence: 1,
});
const FINAL = {
  n: 0,
  utterance_id: "1",
  text: "Hola, ¿qué tal?",
  raw_text: "Hola, ¿qué tal?",
  start_ms: 500,
  end_ms: 2000,
  lang: "es",
  joined: false,
  recovered: false,
  words: [word("Hola,", 500), word("¿qué", 900), word("tal?", 1300)],
  created_at: "2026-11-21T04:00:00Z",
};
const DICTATION = {
  id: "d1",
  session_id: null,
  lang: "es",
  provider: "whisper_local",
  model: "base",
  started_at: "2026-11-21T04:00:00Z",
  ended_at: "2026-11-21T04:01:00Z",
  state: "kept",
  audio: { ms: 2500, until: "2026-11-22T04:01:00Z" },
  finals: 1,
  text: "Hola, ¿qué tal?",
  current_version: "v1",
  items: [FINAL],
};
const VERSION = {
  ...{ id: "v1", original: false, current: true, status: "done", provider: "whisper_local", model: "base" },
  ...{ lang: "es", created_at: "2026-11-21T05:00:00Z", ended_at: "2026-11-21T05:00:01Z", done_ms: null },
  ...{ duration_ms: null, error: null, finals: 1, text: "Hola, ¿qué tal?" },
};
const LIVE = { ...VERSION, id: "d1", original: true, current: false, lang: "en", text: "Ola, que tal?" };

beforeEach(() => {
  vi.spyOn(HTMLMediaElement.prototype, "play").mockResolvedValue();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

function show(dictation: object = DICTATION, versions: object[] = [LIVE]) {
  const api = new FakeApi()
    .on("GET /api/dictations/d1", () => json(dictation))
    .on("GET /api/dictations/d1/versions", () => json(versions))
    .on("GET /providers/stt", () => json({ items: [] }))
    .on("PATCH /api/dictations/d1", () => json(dictation))
    .on("DELETE /api/dictations/d1/audio", () => json({ status: "deleted" }))
    .on("DELETE /api/dictations/d1/versions/v1", () => json({ status: "deleted" }));
  vi.stubGlobal("fetch", api.fetch);
  const renderRedo = vi.fn(() => <p>dialog</p>);
  renderWith(createTestServices(), <DictationDetail id="d1" renderRedo={renderRedo} />);
  return { api, renderRedo };
}

function findPlayer(): HTMLAudioElement {
  const player = document.querySelector("audio");
  if (player === null) throw new Error("there is no player");
  return player;
}

test("the sound is played, the word that is heard is marked, and a press on a word goes there", async () => {
  show();
  await userEvent.click(await screen.findByRole("button", { name: "Play the sound" }));
  const player = await vi.waitFor(findPlayer);
  expect(player).toHaveAttribute("src", "/api/dictations/d1/audio?format=wav");
  fireEvent.loadedMetadata(player);
  player.currentTime = 1;
  fireEvent(player, new Event("seeked"));
  await vi.waitFor(() => expect(document.querySelector("[data-spoken=true]")).toHaveTextContent("qué"));
  await userEvent.click(screen.getByText("tal"));
  expect(player.currentTime).toBe(1.3);
  await userEvent.click(screen.getByRole("button", { name: "Play 0:00.5 – 0:02.0" }));
  expect(player.currentTime).toBe(0.5);
});

test("without sound there is text alone", async () => {
  show({ ...DICTATION, state: "final", audio: null });
  expect(await screen.findByText("Hola, ¿qué tal?")).toBeVisible();
  expect(screen.queryByRole("button", { name: "Play the sound" })).toBeNull();
  expect(screen.queryByRole("button", { name: "Hear it again with…" })).toBeNull();
});

test.each([
  ["recording", /Being dictated now/],
  ["heard", /The last words are being written/],
  ["interrupted", /Broke off: what had arrived is here/],
])("the state %s is told", async (state, text) => {
  show({ ...DICTATION, state, audio: null });
  expect(await screen.findByText(text)).toBeVisible();
});

test("the sound alone is deleted at the second press", async () => {
  const { api } = show();
  await userEvent.click(await screen.findByRole("button", { name: "Delete the sound" }));
  expect(api.routes).not.toContain("DELETE /api/dictations/d1/audio");
  await userEvent.click(screen.getByRole("button", { name: "Delete for good?" }));
  expect(api.routes).toContain("DELETE /api/dictations/d1/audio");
});

test("versions stand side by side, what differs is marked, and another one can be shown", async () => {
  const { api } = show(DICTATION, [LIVE, VERSION]);
  const versions = await screen.findByRole("region", { name: "What was understood" });
  const [live, again] = within(versions).getAllByRole("region");
  if (live === undefined || again === undefined) throw new Error("there are two");
  expect(live).toHaveAccessibleName("English, Whisper local");
  expect(again).toHaveAccessibleName("Spanish, Whisper local · shown");
  expect([...live.querySelectorAll("mark")].map((mark) => mark.textContent.trim())).toEqual(["Ola, que"]);
  await userEvent.click(within(live).getByRole("button", { name: "Show this one" }));
  expect(api.requests.find(({ method }) => method === "PATCH")?.body).toEqual({ current_version: "d1" });
  expect(within(live).queryByRole("button", { name: "Delete this text" })).toBeNull();
  await userEvent.click(within(again).getByRole("button", { name: "Delete this text" }));
  expect(api.routes).toContain("DELETE /api/dictations/d1/versions/v1");
});

test("it is heard again in a dialog", async () => {
  const { renderRedo } = show();
  await userEvent.click(await screen.findByRole("button", { name: "Hear it again with…" }));
  expect(screen.getByText("dialog")).toBeVisible();
  expect(renderRedo).toHaveBeenLastCalledWith(expect.objectContaining({ dictationId: "d1" }));
});
