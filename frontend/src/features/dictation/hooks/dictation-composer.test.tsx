/** Dictation through a person's eyes and hands: the button, the keys, the field, and what is said about it. */

import { act, fireEvent, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";

import { settingsStore } from "@/shared/settings/store";
import { DEFAULTS } from "@/shared/settings/settings";

import { FakeServer } from "../client/fake-server";
import { ComposerStore } from "../composer/composer-store";
import { Dictation } from "../dictation";
import { FakeMicrophones } from "../fake-microphone";
import { wishesOf } from "../wishes";
import { useDictationComposer } from "./use-dictation-composer";

afterEach(() => settingsStore.change(DEFAULTS));

function shown() {
  const server = new FakeServer();
  const microphones = new FakeMicrophones();
  const dictation = new Dictation({
    composer: new ComposerStore(),
    connect: server.connect,
    credentials: { token: () => Promise.resolve(null), renew: () => Promise.resolve(false) },
    wishes: () => wishesOf(settingsStore.get()),
    openMicrophone: microphones.open,
  });
  const sent = vi.fn();
  function Page() {
    const { draft, field, microphone, below } = useDictationComposer(dictation);
    return (
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void draft.take().then(sent);
        }}
      >
        {field}
        {microphone}
        <button disabled={draft.isEmpty}>Send</button>
        {below}
      </form>
    );
  }
  const page = render(<Page />);
  const field = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Your message" });
  const told = (work: () => void) =>
    act(async () => {
      work();
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    });
  return { server, microphones, dictation, sent, field, told, page };
}

it("shows certain words solid, the others faint, and reads only finals aloud", async () => {
  const { server, field, told } = shown();
  await userEvent.click(screen.getByRole("button", { name: "Dictate" }));
  await told(() => undefined);
  expect(screen.getByRole("status")).toHaveTextContent("Listening");
  await told(() => server.tell({ type: "speech_started", utterance_id: 1 }));
  expect(screen.getByRole("status")).toHaveTextContent("Hearing you");
  await told(() => server.tell({ type: "partial", utterance_id: 1, text: "what is the", stable: "what is" }));
  expect(field).toHaveValue("what is the");
  const pieces = [...screen.getByTestId("composer-pieces").querySelectorAll("span")];
  expect(pieces.map((piece) => [piece.dataset["kind"], piece.textContent])).toEqual([
    ["stable", "what is"],
    ["unstable", " the"],
  ]);
  expect(screen.getByTestId("heard")).toBeEmptyDOMElement();
  await told(() => server.say("final", 1, "What is the time?"));
  expect(screen.getByTestId("heard")).toHaveTextContent("What is the time?");
  expect(screen.getByTestId("receipt")).toHaveAccessibleName(/From the end of speech to the text/);
  expect(screen.getByRole("tooltip", { hidden: true })).toHaveTextContent("Silence waited for0.30 s");
  await userEvent.click(screen.getByRole("button", { name: "Take back the last utterance" }));
  expect(field).toHaveValue("");
});

it("leaves the caret where the user types, and undoes with the keyboard", async () => {
  const { server, field, told } = shown();
  await userEvent.click(screen.getByRole("button", { name: "Dictate" }));
  await told(() => server.say("partial", 1, "hello wor"));
  await userEvent.click(field);
  await userEvent.keyboard("{Control>}{Home}{/Control}");
  field.setSelectionRange(0, 0); // as a finger does it: neither key nor mouse
  document.dispatchEvent(new Event("selectionchange"));
  await userEvent.keyboard("Ada:");
  await told(() => server.say("final", 1, "Hello world."));
  expect(field).toHaveValue("Ada: Hello world.");
  expect(field.selectionStart).toBe(4);
  await userEvent.keyboard("{Control>}z{/Control}");
  expect(field).toHaveValue("Hello world.");
  await userEvent.keyboard("{Control>}z{/Control}");
  expect(field).toHaveValue("");
  await userEvent.keyboard("{Control>}{Shift>}z{/Shift}{/Control}");
  expect(field).toHaveValue("Hello world.");
});

it("keeps its hands off a text that an input method is composing", async () => {
  const { server, field, told } = shown();
  await userEvent.click(screen.getByRole("button", { name: "Dictate" }));
  fireEvent.compositionStart(field);
  await told(() => server.say("final", 1, "Later."));
  expect(field).toHaveValue("");
  fireEvent.compositionEnd(field);
  expect(field).toHaveValue("Later.");
});

it("goes on writing where its field went away in the middle of a character", async () => {
  const { server, field, told, page, dictation } = shown();
  dictation.start();
  await told(() => undefined);
  fireEvent.compositionStart(field);
  await told(() => server.say("final", 1, "Later."));
  page.unmount();
  expect(dictation.composer.get().text).toBe("Later.");
});

it("listens while the key is held, and not longer", async () => {
  const { server, microphones, told, dictation } = shown();
  await told(() => void fireEvent.keyDown(document.body, { code: "Space", key: " " }));
  await told(() => void fireEvent.keyDown(document.body, { code: "Space", key: " ", repeat: true }));
  expect(dictation.get().state.kind).toBe("listening");
  await told(() => microphones.last.hear(new ArrayBuffer(3200)));
  await told(() => void fireEvent.keyUp(document.body, { code: "Space", key: " " }));
  expect(dictation.get().state.kind).toBe("idle");
  expect(server.sockets).toHaveLength(1);
  await told(() => void fireEvent.keyDown(document.body, { code: "Space", key: " " }));
  await told(() => void fireEvent.blur(window)); // the key is let go of in another window
  expect(dictation.get().state.kind).toBe("idle");
  expect(microphones.last.isClosed).toBe(true);
});

it("writes no spaces while the key is still down after Escape, and listens when it is pressed again", async () => {
  const { server, field, told, dictation } = shown();
  field.focus();
  const press = (repeat: boolean) => fireEvent.keyDown(field, { code: "Space", key: " ", repeat });
  await told(() => void press(false));
  await told(() => server.say("final", 1, "Stays."));
  await told(() => void fireEvent.keyDown(field, { key: "Escape", code: "Escape" }));
  expect(dictation.get().state.kind).toBe("idle");
  expect(press(true)).toBe(false); // its default, to write a space, is prevented
  expect(dictation.get().state.kind).toBe("idle");
  fireEvent.keyUp(field, { code: "Space", key: " " });
  expect(press(false)).toBe(true); // in a text it is a space
  await told(() => void fireEvent.keyDown(document.body, { code: "Space", key: " " }));
  expect(dictation.get().state.kind).toBe("listening");
});

it("ends with Escape, and takes back what was not final", async () => {
  const { server, field, told, dictation } = shown();
  await userEvent.click(screen.getByRole("button", { name: "Dictate" }));
  await told(() => server.say("partial", 1, "oh no"));
  await told(() => void fireEvent.keyDown(document.body, { key: "Escape" }));
  expect(field).toHaveValue("");
  expect(dictation.get().state.kind).toBe("idle");
});

it("sends by itself only when that was asked for, and hands-free goes on listening", async () => {
  const { server, sent, told, dictation } = shown();
  await userEvent.click(screen.getByRole("button", { name: "Dictate" }));
  await told(() => server.say("final", 1, "One."));
  await told(() => void dictation.stop());
  expect(sent).not.toHaveBeenCalled();
  await told(() => settingsStore.change({ autoSend: true, endpointing: "hands_free" }));
  await userEvent.click(screen.getByRole("button", { name: "Dictate" }));
  await told(() => server.say("final", 1, "Two."));
  await told(() => undefined);
  expect(sent).toHaveBeenCalledWith({ text: "One. Two.", whole: true });
  expect(server.dictation.start).toMatchObject({ config: { endpointing: "hands_free" } });
  expect(dictation.get().state.kind).toBe("listening");
});

it("says what is wrong and what to do about it", async () => {
  const { server, microphones, told } = shown();
  microphones.failure = { kind: "no_permission", detail: "" };
  await userEvent.click(screen.getByRole("button", { name: "Dictate" }));
  await told(() => undefined);
  expect(screen.getByRole("alert")).toHaveTextContent("may not use the microphone");
  microphones.failure = null;
  server.refusals = [{ type: "error", code: "provider_not_ready", message: "pull a model", fatal: false }];
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await told(() => undefined);
  expect(screen.getByRole("alert")).toHaveTextContent("pull a model");
  expect(screen.getByRole("link", { name: "To the settings" })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Close" }));
  expect(screen.queryByRole("alert")).toBeNull();
});

it("stops listening when its page goes", async () => {
  const { microphones, told, page } = shown();
  await userEvent.click(screen.getByRole("button", { name: "Dictate" }));
  await told(() => undefined);
  expect(microphones.last.isClosed).toBe(false);
  page.unmount();
  await told(() => undefined);
  expect(microphones.last.isClosed).toBe(true);
});
