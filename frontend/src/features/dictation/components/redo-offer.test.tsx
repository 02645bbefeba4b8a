/** After a dictation: hearing it again is offered where its sound is kept and its text stands as it came. */
import { act, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";

import { FakeApi, json } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { FakeMicrophones } from "../audio/fake-microphone";
import { FakeSpeechServer } from "../client/fake-speech-server";
import { ComposerStore } from "../composer/composer-store";
import { Dictation } from "../dictation";
import { toDictationOptions } from "../options";
import { RedoOffer } from "./redo-offer";

afterEach(() => vi.unstubAllGlobals());

const OFFER = "Not right? Hear it again with…";
const KEPT = {
  text: "Hello.",
  lang: "en",
  provider: "fake",
  model: null,
  state: "kept",
  audio: { ms: 900, until: "x" },
};

async function dictated({ keep_audio = true, says = "Hello." } = {}) {
  const api = new FakeApi()
    .on("GET /api/settings", () => json({ keep_audio, audio_hours: 24 }))
    .on("GET /api/dictations/d1", () => json(KEPT));
  vi.stubGlobal("fetch", api.fetch);
  const services = createTestServices();
  const server = new FakeSpeechServer();
  const dictation = new Dictation({
    composer: new ComposerStore(),
    connect: server.connect,
    credentials: { token: () => Promise.resolve(null), renew: () => Promise.resolve(false) },
    readOptions: () => toDictationOptions(services.settings.get()),
    openMicrophone: new FakeMicrophones().open,
  });
  const replaced = vi.fn();
  renderWith(
    services,
    <RedoOffer
      dictation={dictation}
      onReplaced={replaced}
      renderRedo={({ before, use, onClose }) => (
        <button
          onClick={() => {
            use?.run("Yellow.");
            onClose();
          }}
        >{`${before.text} ${use?.label ?? "none"}`}</button>
      )}
    />,
  );
  await act(async () => {
    dictation.start();
    await vi.waitFor(() => expect(dictation.get().state.kind).not.toBe("opening"));
    if (says) server.say("final", 1, says);
  });
  expect(screen.queryByRole("button", { name: OFFER })).toBeNull();
  await act(() => dictation.stop());
  await vi.waitFor(() => expect(dictation.get().state.kind).toBe("idle"));
  return { api, dictation, replaced };
}

test("the text that stands there is replaced", async () => {
  const { dictation, replaced } = await dictated();
  await userEvent.click(await screen.findByRole("button", { name: OFFER }));
  await userEvent.click(screen.getByRole("button", { name: "Hello. Replace what came from this dictation" }));
  expect(dictation.composer.get().text).toBe("Yellow.");
  expect(replaced).toHaveBeenCalledOnce();
  act(() => dictation.composer.dispatch({ type: "undo" }));
  expect(dictation.composer.get().text).toBe("Hello.");
});

test("nothing is offered once the text is edited or sent", async () => {
  const { dictation } = await dictated();
  await screen.findByRole("button", { name: OFFER });
  act(() => dictation.composer.dispatch({ type: "typed", text: "Hello!", caret: { start: 6, end: 6 } }));
  expect(screen.queryByRole("button", { name: OFFER })).toBeNull();
});

test("nor where no sound is kept: the server is not asked for any", async () => {
  const { api } = await dictated({ keep_audio: false });
  await vi.waitFor(() => expect(api.routes).toEqual(["GET /api/settings"]));
  expect(screen.queryByRole("button", { name: OFFER })).toBeNull();
});

test("a dictation in which nothing was said is not asked for: the server has none", async () => {
  const { api } = await dictated({ says: "" });
  await vi.waitFor(() => expect(api.routes).toEqual(["GET /api/settings"]));
});
