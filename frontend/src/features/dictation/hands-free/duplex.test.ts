/** Voice and microphone together: the page never takes its own voice for the user's. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Duplex } from "./duplex";
import { FakeSpeechEngine, FakeUtterance } from "./fake-speech-engine";
import { ReadAloud } from "./read-aloud";
import { Voice } from "./voice";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("SpeechSynthesisUtterance", FakeUtterance);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function reading(cancelsEcho: boolean) {
  const fake = new FakeSpeechEngine();
  const setup = { readLanguage: () => "en", nameCode: () => "code", announceTool: () => "tool" };
  const readAloud = new ReadAloud({ voice: new Voice(fake.engine), ...setup });
  const mutes: boolean[] = [];
  const mute = (isMuted: boolean) => void mutes.push(isMuted);
  const user = { isSpeaking: false, isDictating: false };
  const duplex = new Duplex({
    reading: readAloud,
    cancelsEcho: () => cancelsEcho,
    hears: () => true,
    isDictating: () => user.isDictating,
    isSpeaking: () => user.isSpeaking,
    mute,
  });
  duplex.open();
  readAloud.switch(true);
  readAloud.follow({ id: "a", text: "The capital of France is Paris. And ", state: "coming", asking: null });
  await vi.advanceTimersByTimeAsync(100);
  return { fake, readAloud, duplex, mutes, user };
}

it("falls silent for who speaks, and reads no more of the answer", async () => {
  const { fake, readAloud, duplex, mutes } = await reading(true);
  duplex.handleSpeech();
  expect([fake.current, readAloud.get()]).toEqual([null, "held"]);
  expect(duplex.isVoice("And what about Germany?")).toBe(false);
  expect([readAloud.get(), duplex.mode, mutes]).toEqual(["silent", "full", []]);
});

it("goes on reading after a cough", async () => {
  const { fake, duplex } = await reading(true);
  duplex.handleSpeech();
  duplex.handleNothing();
  await vi.advanceTimersByTimeAsync(200);
  expect(fake.texts).toEqual(["The capital of France is Paris.", "The capital of France is Paris."]);
});

it("switches the microphone off while it reads, once it has heard the voice", async () => {
  const { fake, readAloud, duplex, mutes } = await reading(true);
  duplex.handleSpeech();
  expect(duplex.isVoice("The capital")).toBe(true);
  await vi.advanceTimersByTimeAsync(200);
  expect([duplex.mode, readAloud.get(), mutes]).toEqual(["half", "reading", [true]]);
  fake.finish();
  await vi.advanceTimersByTimeAsync(200);
  expect(mutes).toEqual([true]);
  await vi.advanceTimersByTimeAsync(200);
  expect(mutes).toEqual([true, false]);
});

it("does so from the beginning where nothing cancels an echo", async () => {
  const { duplex, mutes } = await reading(false);
  expect([duplex.mode, mutes]).toEqual(["half", [true]]);
});

it("begins no sentence while somebody speaks", async () => {
  const { fake, readAloud, duplex, user } = await reading(true);
  readAloud.skip();
  user.isSpeaking = true;
  readAloud.follow({ id: "b", text: "Another answer. And ", state: "coming", asking: null });
  await vi.advanceTimersByTimeAsync(200);
  expect([fake.current, readAloud.get()]).toEqual([null, "held"]);
  user.isSpeaking = false;
  duplex.handleNothing();
  await vi.advanceTimersByTimeAsync(200);
  expect(fake.current?.text).toBe("Another answer.");
});

it("reads nothing into a dictation, nor later", async () => {
  const { fake, readAloud, user } = await reading(true);
  readAloud.skip();
  user.isDictating = true;
  readAloud.follow({ id: "b", text: "Another answer. And ", state: "coming", asking: null });
  await vi.advanceTimersByTimeAsync(200);
  expect([fake.current, readAloud.get()]).toEqual([null, "silent"]);
  user.isDictating = false;
  readAloud.follow({ id: "b", text: "Another answer. And more. ", state: "over", asking: null });
  await vi.advanceTimersByTimeAsync(200);
  expect(fake.current).toBeNull();
});
