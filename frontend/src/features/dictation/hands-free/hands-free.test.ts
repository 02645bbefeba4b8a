/** A hands-free conversation with a voice: who speaks interrupts, and the page does not answer itself. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { FakeMicrophones } from "../audio/fake-microphone";
import { FakeSpeechServer } from "../client/fake-speech-server";
import { ComposerStore } from "../composer/composer-store";
import { Dictation } from "../dictation";
import { FakeSpeechEngine, FakeUtterance } from "./fake-speech-engine";
import { type ChatProgress, HandsFree } from "./hands-free";
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

const settle = (ms = 200) => vi.advanceTimersByTimeAsync(ms);

async function started({ cancelsEcho = true } = {}) {
  const server = new FakeSpeechServer();
  const microphones = new FakeMicrophones();
  const fake = new FakeSpeechEngine();
  const dictation = new Dictation({
    composer: new ComposerStore(),
    connect: server.connect,
    credentials: { token: () => Promise.resolve(null), renew: () => Promise.resolve(false) },
    readOptions: () => ({
      config: {},
      microphone: { deviceId: "", echoCancellation: cancelsEcho, noiseSuppression: true },
      endsUtterances: true,
    }),
    openMicrophone: microphones.open,
  });
  const reading = new ReadAloud({
    voice: new Voice(fake.engine),
    readLanguage: () => "en",
    nameCode: () => "code",
    announceTool: (tool) => `May it use ${tool}?`,
  });
  reading.switch(true);
  const sent: string[] = [];
  const handsFree = new HandsFree({
    dictation,
    send: () => {
      sent.push(dictation.composer.get().text);
      handsFree.handleTaken();
      dictation.composer.dispatch({ type: "sent" });
    },
    readSilenceMs: () => 600,
    reading,
    cancelsEcho: () => cancelsEcho,
    describeEnd: (reason) => `ended: ${reason}`,
  });
  handsFree.open();
  const chat: ChatProgress = { conversationId: "c", isFree: true, problem: null, answer: null };
  const show = (more: Partial<ChatProgress>) =>
    handsFree.handleChat(Object.assign(chat, more) && { ...chat });
  show({});
  const answer = (text: string, asking: string | null = null) =>
    show({ isFree: false, answer: { id: "a", text, state: "coming", asking } });
  const hear = async (utterance: number, text: string) => {
    server.emit({ type: "speech_started", utterance_id: utterance });
    await settle();
    server.emit({ type: "speech_stopped", utterance_id: utterance });
    server.say("final", utterance, text);
    await settle();
  };
  handsFree.start();
  await settle();
  microphones.last.hear(new ArrayBuffer(3200));
  await settle();
  return { fake, dictation, handsFree, reading, microphones, sent, show, answer, hear, server };
}

it("falls silent for who speaks, and sends that after the answer", async () => {
  const { fake, handsFree, sent, show, answer, hear } = await started();
  answer("The capital of France is Paris. It lies on the Seine. And ");
  await settle();
  expect(fake.current?.text).toBe("The capital of France is Paris.");
  await hear(1, "And what about Germany?");
  expect([fake.current, sent]).toEqual([null, []]);
  show({ isFree: true });
  expect(sent).toEqual(["And what about Germany?"]);
  handsFree.stop();
});

it("does not take its own voice for the user's, and listens no more while it reads", async () => {
  const { fake, dictation, handsFree, sent, microphones, show, answer, hear } = await started();
  answer("The capital of France is Paris. It lies on the Seine. And ");
  await settle();
  await hear(1, "The capital of");
  expect(dictation.composer.get().text).toBe("");
  expect([handsFree.isMuting, microphones.last.isMuted]).toEqual([true, true]);
  expect(fake.texts).toEqual(["The capital of France is Paris.", "The capital of France is Paris."]);
  fake.finish();
  await settle();
  fake.finish();
  await settle(500);
  expect(microphones.last.isMuted).toBe(false);
  show({ isFree: true });
  expect(sent).toEqual([]);
  handsFree.stop();
});

it("leaves the microphone muted that the user has muted", async () => {
  const { fake, dictation, handsFree, microphones, answer } = await started({ cancelsEcho: false });
  answer("One sentence here. And ");
  await settle();
  expect([handsFree.isMuting, microphones.last.isMuted]).toEqual([true, true]);
  dictation.mute(false);
  dictation.mute(true);
  expect(handsFree.isMuting).toBe(false);
  fake.finish();
  await settle(1000);
  expect([handsFree.reading.get(), microphones.last.isMuted]).toEqual(["silent", true]);
  handsFree.stop();
});

it("reads no answer into a dictation that is not hands-free, and says so of none later", async () => {
  const { fake, dictation, handsFree, microphones, answer } = await started({ cancelsEcho: false });
  handsFree.stop();
  await settle();
  dictation.start();
  await settle();
  answer("One sentence here. And ");
  await settle();
  expect([fake.current, handsFree.reading.get(), microphones.last.isMuted]).toEqual([null, "silent", false]);
  dictation.cancel();
});

it("goes on reading after a noise", async () => {
  const { fake, handsFree, answer, server } = await started();
  answer("One sentence here. And ");
  await settle();
  server.emit({ type: "speech_started", utterance_id: 1 });
  await settle();
  expect(fake.current).toBeNull();
  server.emit({ type: "speech_stopped", utterance_id: 1 });
  server.emit({ type: "utterance_discarded", utterance_id: 1, reason: "no_speech", end_ms: 9 });
  await settle();
  expect(fake.current?.text).toBe("One sentence here.");
  handsFree.stop();
});

it("says that a tool waits, and waits with it", async () => {
  const { fake, handsFree, sent, answer, hear } = await started();
  answer("", "search");
  await settle();
  expect(fake.current?.text).toBe("May it use search?");
  expect(handsFree.asking).toBe("search");
  await hear(1, "Yes, please do.");
  expect(sent).toEqual([]);
  handsFree.stop();
});

it("says aloud why it ends, keeps what was said, and is silent where it was asked to end", async () => {
  const failing = await started();
  failing.answer("One sentence here. And ");
  await settle();
  await failing.hear(1, "Wait a moment");
  failing.show({ problem: "failed", isFree: true });
  await settle();
  expect(failing.fake.current?.text).toBe("ended: failed");
  expect(failing.dictation.composer.get().text).toBe("Wait a moment");
  expect([failing.sent, failing.handsFree.get()]).toEqual([[], { kind: "off", reason: "failed" }]);
  const asked = await started();
  asked.answer("One sentence here. And ");
  await settle();
  await asked.hear(1, "Stop listening!");
  expect([asked.fake.current, asked.handsFree.get()]).toEqual([null, { kind: "off", reason: null }]);
  expect(asked.dictation.composer.get().text).toBe("");
});

describe("the spoken command", () => {
  /** Two utterances of which the first becomes text once the second has begun, or both have ended. */
  async function hearLate(first: string, second: string, isSecondOver = false) {
    const page = await started();
    const { server } = page;
    server.emit({ type: "speech_started", utterance_id: 1 });
    server.emit({ type: "speech_stopped", utterance_id: 1 });
    server.emit({ type: "speech_started", utterance_id: 2 });
    if (isSecondOver) server.emit({ type: "speech_stopped", utterance_id: 2 });
    server.say("final", 1, first);
    if (!isSecondOver) server.emit({ type: "speech_stopped", utterance_id: 2 });
    server.say("final", 2, second);
    await settle();
    return { ...page, text: page.dictation.composer.get().text };
  }

  it.each([false, true])(
    "sends what was said before it, however late that became text (%j)",
    async (isOver) => {
      const { handsFree, sent, text } = await hearLate("How is the weather?", "Stop listening", isOver);
      expect([sent, text, handsFree.get()]).toEqual([
        ["How is the weather?"],
        "",
        { kind: "off", reason: null },
      ]);
    },
  );

  it("is found behind a sentence of the same utterance, and is not written", async () => {
    const { dictation, handsFree, sent, hear } = await started();
    await hear(1, "How is the weather? Stop listening.");
    expect([sent, dictation.composer.get().text, handsFree.get().kind]).toEqual([
      ["How is the weather?"],
      "",
      "off",
    ]);
  });

  it("leaves in the field what sounds unfinished", async () => {
    const { handsFree, sent, text } = await hearLate("I would like to know when", "Stop listening");
    expect([sent, text, handsFree.get().kind]).toEqual([[], "I would like to know when", "off"]);
  });

  it("leaves in the field what waits for an answer, and what the user edited", async () => {
    const busy = await started();
    busy.answer("One sentence here. And ");
    await settle();
    await busy.hear(1, "And then?");
    await busy.hear(2, "Stop listening");
    expect([busy.sent, busy.dictation.composer.get().text]).toEqual([[], "And then?"]);
    const edited = await started();
    await edited.hear(1, "Tell me when");
    const { composer } = edited.dictation;
    composer.dispatch({ type: "typed", text: "Tell me when.", caret: { start: 13, end: 13 } });
    await edited.hear(2, "Stop listening");
    expect([edited.sent, composer.get().text]).toEqual([[], "Tell me when."]);
  });

  it("is not written where it was said again before it was heard, but in a dictation of its own", async () => {
    const { dictation, server, hear } = await started();
    server.emit({ type: "speech_started", utterance_id: 1 });
    server.emit({ type: "speech_stopped", utterance_id: 1 });
    server.emit({ type: "speech_started", utterance_id: 2 });
    server.isSlow = true;
    server.say("final", 1, "Stop listening.");
    await settle();
    await hear(2, "Stop listening!");
    expect(dictation.composer.get().text).toBe("");
    dictation.cancel();
    await settle();
    dictation.start();
    await settle();
    await hear(1, "Stop listening.");
    expect(dictation.composer.get().text).toBe("Stop listening.");
    dictation.cancel();
  });

  it("is not heard in what the page reads aloud", async () => {
    const { handsFree, sent, answer, hear } = await started();
    answer("You end it by voice. Stop listening. And ");
    await settle();
    await hear(1, "You end it by voice. Stop listening.");
    expect([sent, handsFree.get().kind]).toEqual([[], "on"]);
    handsFree.stop();
  });
});

it("goes silent with a visit to another conversation, and reads nothing that was asked for before", async () => {
  const { fake, handsFree, show, answer } = await started();
  answer("One sentence here. And ");
  await settle();
  show({ conversationId: "d", answer: { id: "b", text: "Another. And ", state: "coming", asking: null } });
  show({ answer: { id: "b", text: "Another. And more. Yes ", state: "coming", asking: null } });
  await settle();
  expect([fake.current, handsFree.get().kind]).toEqual([null, "off"]);
});
