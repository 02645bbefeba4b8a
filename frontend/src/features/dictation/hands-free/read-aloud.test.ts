/** Reading aloud: answers as they stream, in their language, until somebody speaks or presses. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { FakeSpeechEngine, FakeUtterance, newVoice } from "./fake-speech-engine";
import { type AnswerProgress, ReadAloud } from "./read-aloud";
import { Voice } from "./voice";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("SpeechSynthesisUtterance", FakeUtterance);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = (ms = 100) => vi.advanceTimersByTimeAsync(ms);

function made(isOn = true) {
  const fake = new FakeSpeechEngine();
  const reading = new ReadAloud({
    voice: new Voice(fake.engine),
    readLanguage: () => "en",
    nameCode: (language, lang) => `${lang} code ${language}`,
    announceTool: (tool) => `May it use ${tool}?`,
  });
  reading.switch(isOn);
  const show = (text: string, more: Partial<AnswerProgress> = {}) =>
    reading.follow({ id: "a1", text, state: "coming", asking: null, ...more });
  const finish = async () => {
    fake.finish();
    await settle();
  };
  return { fake, reading, show, finish };
}

it("reads sentence by sentence while the answer comes, and names code", async () => {
  const { fake, reading, show, finish } = made();
  show("", { id: null });
  show("");
  show("The sea is **blue**. It");
  await settle();
  expect([fake.texts, reading.get()]).toEqual([["The sea is blue."], "reading"]);
  show("The sea is **blue**. It is deep.\n\n```js\nf()\n```\n", { state: "over" });
  await settle();
  expect(fake.texts).toHaveLength(1);
  await finish();
  await finish();
  await finish();
  expect(fake.texts).toEqual(["The sea is blue.", "It is deep.", "en code js"]);
  expect(reading.get()).toBe("silent");
});

it("reads in the language of the answer", async () => {
  const { fake, show } = made();
  show("El mar es azul y está en calma. ");
  await settle();
  expect(fake.current?.lang).toBe("es-ES");
});

it("reads nothing that is off, was over before, or was stopped", async () => {
  const off = made(false);
  off.show("The sea is blue. ");
  const old = made();
  old.show("The sea is blue. ", { state: "over" });
  const stopped = made();
  stopped.show("The sea is blue. And ");
  await settle();
  stopped.show("The sea is blue. And deep. ", { state: "stopped" });
  await settle();
  expect([off.fake.texts, old.fake.texts, stopped.fake.current]).toEqual([[], [], null]);
  expect(stopped.reading.get()).toBe("silent");
});

it("reads an answer that came all at once, and not the one before a text that was refused", async () => {
  const { fake, show } = made();
  show("Old and over. ", { id: "a0", state: "over" });
  show("", { id: null });
  show("Old and over. ", { id: "a0", state: "over" });
  await settle();
  expect(fake.texts).toEqual([]);
  show("", { id: null });
  show("New and over.", { id: "a1", state: "over" });
  await settle();
  expect(fake.texts).toEqual(["New and over."]);
});

it("falls silent when it is switched off or skipped, and reads the next answer", async () => {
  const { fake, reading, show } = made();
  show("One one. Two two. ");
  await settle();
  reading.skip();
  expect([fake.current, reading.get()]).toEqual([null, "silent"]);
  show("One one. Two two. Three three. ");
  await settle();
  expect(fake.texts).toEqual(["One one."]);
  show("", { id: null });
  show("Next one. ", { id: "a2" });
  await settle();
  expect(fake.current?.text).toBe("Next one.");
  reading.switch(false);
  expect(fake.current).toBeNull();
});

it("is held while somebody may be speaking, and goes on with the same sentence", async () => {
  const { fake, reading, show } = made();
  show("One one. Two two. ");
  await settle();
  reading.hold();
  expect([fake.current, reading.get()]).toEqual([null, "held"]);
  show("One one. Two two. Three three. ");
  await settle(3000);
  expect(fake.current).toBeNull();
  reading.release();
  await settle();
  expect(fake.texts).toEqual(["One one.", "One one."]);
});

it("says that a tool waits for approval, once", async () => {
  const { fake, show, finish } = made();
  show("I look. ", { asking: "search" });
  show("I look. ", { asking: "search" });
  await settle();
  await finish();
  await finish();
  expect(fake.texts).toEqual(["I look.", "May it use search?"]);
});

it("tells where no voice of this machine speaks the language", async () => {
  const { fake, reading, show } = made();
  fake.voices = [newVoice("en-US")];
  show("El mar es azul y está en calma. ");
  await settle();
  expect(reading.get()).toBe("no_voice");
  expect(fake.texts).toEqual([]);
});
