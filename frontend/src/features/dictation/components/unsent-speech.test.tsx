/** Speech that an earlier visit left behind: sent to the field, or deleted once that is sure. */
import { act, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";

import { FakeSpeechServer } from "../client/fake-speech-server";
import { ComposerStore } from "../composer/composer-store";
import { Dictation } from "../dictation";
import { FakeBrowser } from "../unsent/fake-browser";
import type { SpeechRecord } from "../unsent/speech-store";
import { UnsentSpeech } from "../unsent/unsent-speech";
import { UnsentSpeechList } from "./unsent-speech";

const SECONDS = 192;
const KEPT_S = 5;

async function shown() {
  const browser = new FakeBrowser();
  const page = browser.open();
  const samples = SECONDS * 16_000;
  const marks = { origin: 0, firstSample: 0, originSample: 0, zeroSample: 0, settledSample: 0 };
  const place = { draft: "new", at: 6, before: "First." };
  const known = { id: "s", owner: "ada", startedAtMs: Date.now(), config: {}, dictationId: null };
  const record: SpeechRecord = { ...known, place, marks, samples, heardSample: 0, isAway: true };
  // Its end, in frames of a second.
  const endSamples = Array.from({ length: KEPT_S }, (_, index) => samples - 16_000 * (KEPT_S - 1 - index));
  const piece = { record: "s", first: 0, endSamples, pcm: new ArrayBuffer(2 * 16_000 * KEPT_S) };
  await page.store.write(record, piece, []);
  const server = new FakeSpeechServer();
  server.isSlow = true;
  const dictation = new Dictation({
    composer: new ComposerStore(),
    readDraft: () => "new",
    connect: server.connect,
    credentials: { token: () => Promise.resolve(null), renew: () => Promise.resolve(false) },
    readOptions: () => {
      throw new Error("no microphone is opened");
    },
  });
  dictation.composer.dispatch({ type: "typed", text: "First. Last.", caret: { start: 12, end: 12 } });
  const unsent = new UnsentSpeech(() => "ada", page.store, page.locks);
  const onGo = vi.fn();
  render(<UnsentSpeechList dictation={dictation} unsent={unsent} onGo={onGo} />);
  await screen.findByText(/^Unsent speech of 3 min 12 s, spoken/);
  return { browser, dictation, onGo, server };
}

it("is sent to where it was spoken, and offered no more", async () => {
  const { browser, dictation, onGo, server } = await shown();
  await userEvent.click(screen.getByRole("button", { name: "Send" }));
  await waitFor(() => expect(screen.getByRole("status")).toHaveTextContent("Sending speech of 3 min 12 s"));
  await waitFor(() => expect(server.dictation.received).toHaveLength(2 * KEPT_S * 16_000));
  act(() => {
    server.say("final", 1, "In between.", 1000 * KEPT_S);
    server.emit({ type: "stopped", stats: {} });
  });
  await waitFor(() => expect(screen.queryByRole("status")).toBe(null));
  expect(dictation.composer.get().text).toBe("First. In between. Last.");
  expect([browser.records.size, browser.locks.size, onGo.mock.calls.length]).toEqual([0, 0, 1]);
  expect(screen.queryByRole("button")).toBe(null);
});

it("is deleted after a question alone", async () => {
  const { browser, onGo } = await shown();
  await userEvent.click(screen.getByRole("button", { name: "Discard" }));
  expect(screen.getByRole("alert")).toHaveTextContent("Delete 3 min 12 s of speech for good?");
  expect(screen.getByRole("button", { name: "Keep" })).toHaveFocus();
  await userEvent.click(screen.getByRole("button", { name: "Keep" }));
  expect(browser.records.size).toBe(1);
  await userEvent.click(screen.getByRole("button", { name: "Discard" }));
  await userEvent.click(screen.getByRole("button", { name: "Delete" }));
  await waitFor(() => expect(screen.queryByRole("button")).toBe(null));
  expect([browser.records.size, browser.pieces.length, onGo.mock.calls.length]).toEqual([0, 0, 1]);
});
