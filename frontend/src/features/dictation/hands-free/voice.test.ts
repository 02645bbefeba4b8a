/** The browser's voice: the right one for each language, and none of Chromium's faults ends the reading. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { FakeSpeechEngine, FakeUtterance, newVoice } from "./fake-speech-engine";
import { detectLanguage } from "./language";
import { pickVoice, Voice } from "./voice";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("SpeechSynthesisUtterance", FakeUtterance);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

it("says a text in the voice of its language, and tells its end", async () => {
  const fake = new FakeSpeechEngine();
  const end = new Voice(fake.engine).speak("Hola.", "es");
  await settle();
  expect(fake.current).toMatchObject({ text: "Hola.", lang: "es-ES", voice: { lang: "es-ES" } });
  fake.finish();
  expect(await end).toBe("done");
});

it("takes a voice of this machine: others send the text to their maker", async () => {
  const remote = newVoice("es-ES", { localService: false, default: true });
  expect(pickVoice([remote], "es", [])).toBeNull();
  const mine = newVoice("es_MX");
  const voices = [remote, newVoice("es-ES"), mine, newVoice("en-GB"), newVoice("en-US", { default: true })];
  expect(pickVoice(voices, "es", ["es-MX"])).toBe(mine);
  expect(pickVoice(voices, "en", [])?.lang).toBe("en-US");
  expect(await new Voice(new FakeSpeechEngine([remote]).engine).speak("Hola.", "es")).toBe("no_voice");
  expect(await new Voice(undefined).speak("Hola.", "es")).toBe("no_voice");
});

it("waits for voices that arrive late, and speaks without where none is listed", async () => {
  const late = new FakeSpeechEngine([]);
  void new Voice(late.engine).speak("Hi.", "en");
  await settle(500);
  expect(late.texts).toEqual([]);
  late.bring([newVoice("en-US")]);
  await settle();
  expect(late.current?.voice?.lang).toBe("en-US");
  const never = new FakeSpeechEngine([]);
  void new Voice(never.engine).speak("Hi.", "en");
  await settle(2500);
  expect(never.current).toMatchObject({ voice: null, lang: "en" });
});

it("falls silent at once, and the next text is not lost to the cancel before it", async () => {
  const fake = new FakeSpeechEngine();
  const voice = new Voice(fake.engine);
  const first = voice.speak("One.", "en");
  await settle();
  voice.cancel();
  expect(fake.current).toBeNull();
  expect(await first).toBe("cancelled");
  const second = voice.speak("Two.", "en");
  await settle(200); // the end of the first is told meanwhile
  expect(fake.current?.text).toBe("Two.");
  fake.finish();
  expect(await second).toBe("done");
});

it("goes on where the engine lost the end, was paused, never began, or was taken by another page", async () => {
  const lost = new FakeSpeechEngine();
  const end = new Voice(lost.engine).speak("One.", "en");
  await settle(9000);
  expect(await end).toBe("done");
  const paused = new FakeSpeechEngine();
  paused.paused = true;
  void new Voice(paused.engine).speak("One.", "en");
  await settle();
  expect(paused.paused).toBe(false);
  const taken = new FakeSpeechEngine();
  const next = new Voice(taken.engine).speak("One.", "en");
  await settle();
  taken.finish("interrupted");
  expect(await next).toBe("done");
  const refused = new FakeSpeechEngine();
  const failed = new Voice(refused.engine).speak("One.", "en");
  await settle();
  refused.finish("not-allowed");
  expect(await failed).toBe("failed");
  const dead = new FakeSpeechEngine();
  dead.speak = () => undefined;
  const never = new Voice(dead.engine).speak("One.", "en");
  await settle(6000);
  expect(await never).toBe("failed");
});

it("tells English from Spanish", () => {
  expect(detectLanguage("The capital of France is Paris.", "es")).toBe("en");
  expect(detectLanguage("La capital de Francia es París.", "en")).toBe("es");
  expect(detectLanguage("A poem has no end, and me neither.", "es")).toBe("en");
  expect(detectLanguage("¡Hola! ¿Qué tal?", "en")).toBe("es");
  expect(detectLanguage("Paris", "es")).toBe("es");
  expect(detectLanguage("42", "en")).toBe("en");
});
