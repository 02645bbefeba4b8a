/** Dictation as the user sees it: the button, the keys, the field, and the status. */
import { act, createEvent, fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useEffect } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { TabTexts } from "@/shared/lib/tab-texts";
import type { Services } from "@/shared/services";
import { createTestServices, renderWith } from "@/test/services";

import { FakeMicrophones } from "../audio/fake-microphone";
import { FakeSpeechServer } from "../client/fake-speech-server";
import { ComposerStore } from "../composer/composer-store";
import { Dictation } from "../dictation";
import { DictationContext } from "../dictation-context";
import { Drafts } from "../drafts";
import { FakeSpeechEngine, FakeUtterance } from "../hands-free/fake-speech-engine";
import type { AnswerProgress } from "../hands-free/read-aloud";
import { toDictationOptions } from "../options";
import { UnsentSpeech } from "../unsent/unsent-speech";
import { HOLD_MS } from "./push-to-talk";
import { useDictationComposer } from "./use-dictation-composer";

let services: Services;
beforeEach(() => {
  services = createTestServices();
});
afterEach(() => {
  sessionStorage.clear();
});

function shown() {
  const server = new FakeSpeechServer();
  const microphones = new FakeMicrophones();
  const dictation = new Dictation({
    composer: new ComposerStore(),
    connect: server.connect,
    credentials: { token: () => Promise.resolve(null), renew: () => Promise.resolve(false) },
    readOptions: () => toDictationOptions(services.settings.get()),
    openMicrophone: microphones.open,
  });
  const sent = vi.fn();
  const drafts = new Drafts(dictation.composer, new TabTexts("prompter.drafts", sessionStorage, () => "me"));
  /** The chat, which takes nothing while an answer streams. */
  const chat = {
    isFree: true,
    free: () => chat.set(true),
    set: (
      _isFree: boolean,
      _problem: "refused" | "failed" | null = null,
      _answer: AnswerProgress | null = null,
    ): void => undefined,
  };
  function Page({ conversation = null }: { conversation?: string | null }) {
    const { draft, field, microphone, below, onReady, onProgress } = useDictationComposer(conversation);
    chat.set = (isFree, problem = null, answer = null) => {
      chat.isFree = isFree;
      if (isFree) onReady();
      onProgress({ conversationId: conversation, isFree, problem, answer });
    };
    useEffect(
      () => onProgress({ conversationId: conversation, isFree: chat.isFree, problem: null, answer: null }),
      [conversation, onProgress],
    );
    return (
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!chat.isFree) return;
          void draft.take().then(sent);
          chat.set(false);
        }}
      >
        {field}
        {microphone}
        <button disabled={draft.isEmpty}>Send</button>
        {below}
      </form>
    );
  }
  const parts = { dictation, drafts, unsent: new UnsentSpeech(() => "") };
  const page = renderWith(
    services,
    <DictationContext value={parts}>
      <Page />
    </DictationContext>,
  );
  const field = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Your message" });
  const visit = (conversation: string | null) =>
    page.rerender(
      <DictationContext value={parts}>
        <Page conversation={conversation} />
      </DictationContext>,
    );
  return { server, microphones, dictation, sent, field, page, chat, visit };
}

/** Do something, and let all that comes of it without a timer come. */
const told = (work: () => void) =>
  act(async () => {
    work();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  });

/** As keys and screen readers do: a press of a pointer that takes a busy machine long is held to speak. */
const press = (name: string) => told(() => void fireEvent.click(screen.getByRole("button", { name })));

/** What a screen reader says by itself from now on. */
function listenToLiveRegions(): string[] {
  const heard: string[] = [];
  const live = "[role=status], [role=alert], [role=log], [aria-live=polite], [aria-live=assertive]";
  const hear = (region: Element | null | undefined): void => {
    const text = region?.textContent.trim() ?? "";
    if (text !== "") heard.push(text);
  };
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      hear((target instanceof Element ? target : target.parentElement)?.closest(live));
      for (const node of addedNodes)
        if (node instanceof Element)
          [node, ...node.querySelectorAll(live)].filter((one) => one.matches(live)).forEach(hear);
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
  return heard;
}

it("makes no screen reader talk while one dictates, and reads what was heard on request", async () => {
  const { server } = shown();
  const heard = listenToLiveRegions();
  await press("Dictate");
  await told(() => undefined);
  services.announcements.say("an answer", "answer");
  await told(() => server.emit({ type: "speech_started", utterance_id: 1 }));
  await told(() => server.say("partial", 1, "what is"));
  await told(() => server.say("final", 1, "what is the unock", 400, DOUBTED));
  const status = { type: "status", state: "catching_up", place: null, backlog_ms: 9000, partials: "on" };
  await told(() => server.emit(status));
  expect(heard).toEqual([]);
  expect(services.announcements.get().text).toBe("");
  fireEvent.keyDown(document.body, { code: "KeyL", key: "l", altKey: true });
  expect(services.announcements.get().text).toBe("Heard last: what is the unock");
  await press("Stop dictating");
  await told(() => undefined);
  expect(services.announcements.get().text).toBe("an answer");
});

it("reads the state on request where nothing was heard, and what was missed", async () => {
  const { server } = shown();
  const ask = () => fireEvent.keyDown(document.body, { code: "KeyL", key: "¬", altKey: true });
  await press("Dictate");
  await told(() => undefined);
  ask();
  expect(services.announcements.get().text).toBe("Listening");
  const uncovered = [{ start_ms: 110, end_ms: 190, dbfs: -60 }];
  await told(() => server.say("final", 1, "the unock is oter", 400, { ...DOUBTED, uncovered }));
  ask();
  expect(services.announcements.get().text).toBe(
    "Heard last: the unock is oter A part was not understood: repeat it",
  );
});

it("shows certain words solid, the others faint", async () => {
  const { server, field } = shown();
  await press("Dictate");
  await told(() => undefined);
  expect(screen.getByTestId("dictation-state")).toHaveTextContent("Listening");
  await told(() => server.emit({ type: "speech_started", utterance_id: 1 }));
  expect(screen.getByTestId("dictation-state")).toHaveTextContent("Hearing you");
  await told(() => server.emit({ type: "partial", utterance_id: 1, text: "what is the", stable: "what is" }));
  expect(field).toHaveValue("what is the");
  const pieces = [...screen.getByTestId("composer-pieces").querySelectorAll("span")];
  expect(pieces.map((piece) => [piece.dataset["kind"], piece.textContent])).toEqual([
    ["stable", "what is"],
    ["unstable", " the"],
  ]);
  expect(screen.getByTestId("heard")).toBeEmptyDOMElement();
  await told(() => server.say("final", 1, "What is the time?"));
  expect(screen.getByTestId("heard")).toHaveTextContent("What is the time?");
  expect(screen.queryByTestId("receipt")).toBeNull(); // a stopwatch that nobody asked for
  await told(() => services.settings.change({ showsTiming: true }));
  expect(screen.getByTestId("receipt")).toHaveAccessibleName(/From your last word to the text/);
  expect(screen.getByRole("tooltip", { hidden: true })).toHaveTextContent("Waiting for you to go on0.30 s");
  await userEvent.click(screen.getByRole("button", { name: "Take back what you said last" }));
  expect(field).toHaveValue("");
});

it("leaves the caret where the user types, and undoes with the keyboard", async () => {
  const { server, field } = shown();
  await press("Dictate");
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
  const { server, field } = shown();
  await press("Dictate");
  fireEvent.compositionStart(field);
  await told(() => server.say("final", 1, "Later."));
  expect(field).toHaveValue("");
  fireEvent.compositionEnd(field);
  expect(field).toHaveValue("Later.");
});

it("goes on writing where its field went away in the middle of a character", async () => {
  const { server, field, page, dictation } = shown();
  dictation.start();
  await told(() => undefined);
  fireEvent.compositionStart(field);
  await told(() => server.say("final", 1, "Later."));
  page.unmount();
  expect(dictation.composer.get().text).toBe("Later.");
});

it("listens while the key is held, and not longer", async () => {
  const { server, microphones, dictation } = shown();
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

it("has the caret in the field after a key was held, wherever it was before: Enter sends", async () => {
  const { server, field, sent } = shown();
  await told(() => void fireEvent.keyDown(document.body, { code: "Space", key: " " }));
  await told(() => server.say("final", 1, "What was said."));
  expect(field).not.toHaveFocus(); // a screen reader would read it into the microphone
  await told(() => void fireEvent.keyUp(document.body, { code: "Space", key: " " }));
  expect(field).toHaveFocus();
  await userEvent.keyboard("{Enter}");
  await told(() => undefined);
  expect(sent).toHaveBeenCalledWith({ text: "What was said.", isWhole: true });
});

describe("the button of the microphone", () => {
  const press = (
    type: "pointerDown" | "pointerUp" | "pointerCancel",
    atMs: number,
    pointerType = "touch",
  ) => {
    const button = screen.getByRole("button", { name: /^(Dictate|Stop dictating)$/ });
    const event = createEvent[type](button);
    // jsdom's events lack these fields.
    for (const [name, value] of Object.entries({ isPrimary: true, button: 0, pointerType, timeStamp: atMs }))
      Object.defineProperty(event, name, { value });
    fireEvent(button, event);
    return button;
  };
  /** As the browser does after a short press. */
  const click = (button: HTMLElement, atMs: number) => {
    const event = createEvent.click(button, { detail: 1 });
    Object.defineProperty(event, "timeStamp", { value: atMs });
    fireEvent(button, event);
  };
  const kind = (dictation: Dictation) => dictation.get().state.kind;

  it("starts at the touch; a short one listens on, and the next one ends it", async () => {
    const { dictation, field } = shown();
    await told(() => void press("pointerDown", 1000));
    expect(kind(dictation)).toBe("listening");
    await told(() => click(press("pointerUp", 1000 + HOLD_MS - 1), 1500));
    expect(kind(dictation)).toBe("listening");
    await told(() => void press("pointerDown", 9000));
    expect(kind(dictation)).toBe("listening");
    await told(() => click(press("pointerUp", 9100), 9101));
    expect(kind(dictation)).toBe("idle");
    expect(field).not.toHaveFocus(); // the keyboard of a phone would come up
  });

  it("that is held ends with the finger", async () => {
    const { dictation } = shown();
    await told(() => void press("pointerDown", 1000));
    expect(kind(dictation)).toBe("listening");
    await told(() => void press("pointerUp", 1000 + HOLD_MS));
    expect(kind(dictation)).toBe("idle");
  });

  it("listens on where nothing was recorded yet, as the finger answers the browser's question", async () => {
    const { dictation, microphones } = shown();
    let allow = (): void => undefined;
    microphones.prompt = new Promise((resolve) => (allow = resolve));
    await told(() => void press("pointerDown", 1000));
    await told(() => void press("pointerUp", 4000));
    await told(() => allow());
    expect(kind(dictation)).toBe("listening");
    await told(() => dictation.cancel());
    await told(() => void press("pointerDown", 9000));
    await told(() => void press("pointerCancel", 12_000));
    expect(kind(dictation)).toBe("listening");
  });

  it("takes clicks of keys and screen readers, and leads the mouse to the field", async () => {
    const { dictation, field } = shown();
    await told(() => void fireEvent.click(screen.getByRole("button", { name: "Dictate" })));
    expect(kind(dictation)).toBe("listening");
    await told(() => void press("pointerDown", 5000, "mouse"));
    await told(() => click(press("pointerUp", 5050, "mouse"), 5051));
    expect([kind(dictation), document.activeElement]).toEqual(["idle", field]);
  });
});

it("writes no spaces while the key is still down after Escape, and listens when it is pressed again", async () => {
  const { server, field, dictation } = shown();
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
  const { server, field, dictation } = shown();
  await press("Dictate");
  await told(() => server.say("partial", 1, "oh no"));
  await told(() => void fireEvent.keyDown(document.body, { key: "Escape" }));
  expect(field).toHaveValue("");
  expect(dictation.get().state.kind).toBe("idle");
});

it("sends by itself at the end only where the setting asks for it", async () => {
  const { server, sent, dictation } = shown();
  await press("Dictate");
  await told(() => server.say("final", 1, "One."));
  await told(() => void dictation.stop());
  expect(sent).not.toHaveBeenCalled();
  await told(() => services.settings.change({ autoSend: true }));
  await press("Dictate");
  await told(() => server.say("final", 1, "Two."));
  expect(sent).not.toHaveBeenCalled();
  await told(() => void dictation.stop());
  expect(sent).toHaveBeenCalledExactlyOnceWith({ text: "One. Two.", isWhole: true });
});

const HANDS_FREE = { name: /^Hands-free: listen/ };

it("listens at one press, sends after each pause, and goes on listening until it is pressed again", async () => {
  const { server, sent, chat, dictation } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => undefined);
  expect(dictation.get().state.kind).toBe("listening");
  await told(() => server.say("final", 1, "One."));
  expect(sent).toHaveBeenCalledExactlyOnceWith({ text: "One.", isWhole: true });
  expect(server.socket.received.map(({ type }) => type)).not.toContain("flush"); // its pause was waited for
  await told(chat.free);
  await told(() => server.say("final", 2, "Two."));
  expect(sent).toHaveBeenLastCalledWith({ text: "Two.", isWhole: true });
  await told(chat.free);
  await told(() => server.say("partial", 3, "thr"));
  await userEvent.click(screen.getByRole("button", { name: "End hands-free" }));
  expect(sent).toHaveBeenCalledTimes(2);
  expect(dictation.get().state.kind).toBe("idle");
});

it("becomes hands-free in the middle of a dictation, and sends what is in the field with the next pause", async () => {
  const { server, sent } = shown();
  await press("Dictate");
  await told(() => server.say("final", 1, "One."));
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  expect(sent).not.toHaveBeenCalled();
  await told(() => server.say("final", 2, "Two."));
  expect(sent).toHaveBeenCalledExactlyOnceWith({ text: "One. Two.", isWhole: true });
  expect(server.dictations).toHaveLength(1);
});

it.each(["Stop listening.", "deja de escuchar"])("ends with %j, which is not sent", async (command) => {
  services.settings.change({ autoSend: true });
  const { server, sent, chat, field, dictation } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => undefined);
  await told(() => chat.set(false));
  await told(() => server.say("final", 1, "Kept."));
  await told(() => server.say("partial", 2, command));
  await told(() => server.say("final", 2, command));
  await told(chat.free);
  expect(field).toHaveValue("Kept.");
  expect(sent).not.toHaveBeenCalled();
  expect(dictation.get().state.kind).toBe("idle");
  expect(screen.getByRole("button", HANDS_FREE)).not.toHaveAttribute("aria-pressed"); // its label says it
});

it("ends with Escape, and keeps what was said", async () => {
  const { server, sent, chat, field, dictation } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => undefined);
  await told(() => chat.set(false));
  await told(() => server.say("final", 1, "Kept."));
  await told(() => server.say("partial", 2, "and this"));
  await told(() => void fireEvent.keyDown(document.body, { key: "Escape" }));
  await told(chat.free);
  expect(field).toHaveValue("Kept. and this");
  expect(sent).not.toHaveBeenCalled();
  expect(dictation.get().state.kind).toBe("idle");
});

it("never sends phantoms", async () => {
  const { server, sent, field } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  for (const [index, text] of ["", "...", "Um.", "Eh…"].entries()) {
    await told(() => server.emit({ type: "speech_started", utterance_id: index }));
    await told(() => server.say("final", index, text));
  }
  await told(() =>
    server.emit({ type: "utterance_discarded", utterance_id: 9, reason: "no_speech", end_ms: 9 }),
  );
  expect(sent).not.toHaveBeenCalled();
  expect(field).toHaveValue("");
});

it("waits longer where more seems to come, with a ring that counts down, and speaking stops it", async () => {
  const { server, microphones, sent, dictation } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => undefined);
  vi.useFakeTimers();
  const speak = (utterance: number, text: string) =>
    told(() => {
      microphones.last.hear(new ArrayBuffer(3200)); // 100 ms
      server.say("final", utterance, text, 100 * utterance);
    });
  try {
    await speak(1, "Write a poem about the");
    expect(screen.getByTestId("countdown")).toBeInTheDocument();
    expect(screen.getByTestId("hands-free")).toHaveTextContent("Keep talking");
    await told(() => server.emit({ type: "speech_started", utterance_id: 2 }));
    expect(screen.queryByTestId("countdown")).toBeNull();
    await act(() => vi.advanceTimersByTimeAsync(9000));
    expect(sent).not.toHaveBeenCalled();
    await told(() => server.emit({ type: "speech_stopped", utterance_id: 2 }));
    await speak(2, "and");
    await act(() => vi.advanceTimersByTimeAsync(1900));
    expect(sent).not.toHaveBeenCalled();
    await act(() => vi.advanceTimersByTimeAsync(200));
    expect(sent).toHaveBeenCalledExactlyOnceWith({ text: "Write a poem about the and", isWhole: true });
  } finally {
    vi.useRealTimers();
  }
  dictation.cancel();
});

it("shows the engine's pause as it runs, until speech goes on", async () => {
  const { server } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => undefined);
  expect(server.dictation.start).toMatchObject({
    config: { events: expect.arrayContaining(["eager_final", "turn_resumed"]) as unknown },
  });
  await told(() => server.emit({ type: "speech_started", utterance_id: 1 }));
  const timing = { speech_end_ms: 0, endpoint_ms: 256, queue_ms: 0, decode_ms: 9 };
  await told(() => server.emit({ type: "eager_final", utterance_id: 1, text: "One.", timing }));
  expect(screen.getByTestId("countdown")).toBeInTheDocument();
  await told(() => server.emit({ type: "turn_resumed", utterance_id: 1 }));
  expect(screen.queryByTestId("countdown")).toBeNull();
});

it("promises no sending after a pause while an answer comes", async () => {
  const { server, chat, dictation } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => chat.set(false));
  await told(() => server.emit({ type: "speech_started", utterance_id: 1 }));
  const timing = { speech_end_ms: 0, endpoint_ms: 256, queue_ms: 0, decode_ms: 9 };
  await told(() => server.emit({ type: "eager_final", utterance_id: 1, text: "One.", timing }));
  expect(screen.queryByTestId("countdown")).toBeNull();
  expect(screen.getByTestId("hands-free")).toHaveTextContent("it is sent after the answer");
  dictation.cancel();
});

it("says one thing at a time: whose turn it is, or what keeps it from hearing", async () => {
  const { server, microphones, dictation } = shown();
  let allow = (): void => undefined;
  microphones.prompt = new Promise((resolve) => (allow = resolve));
  const lines = () =>
    [screen.getByTestId("hands-free"), screen.getByTestId("dictation-state")].map((line) => line.textContent);
  const turn = expect.stringMatching(/^Hands-free: sent after each pause/) as unknown;
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => undefined);
  expect(lines()).toEqual(["", expect.stringMatching(/^Allow the microphone/)]);
  await told(() => allow());
  await told(() => server.emit({ type: "speech_started", utterance_id: 1 }));
  expect(lines()).toEqual([turn, ""]);
  await userEvent.click(screen.getByRole("button", { name: "Mute the microphone" }));
  expect(lines()).toEqual(["", expect.stringMatching(/^Muted/)]);
  await userEvent.click(screen.getByRole("button", { name: "Unmute the microphone" }));
  expect(lines()).toEqual([turn, ""]);
  server.isDown = true;
  await told(() => server.socket.drop(1006));
  expect(lines()).toEqual(["", expect.stringMatching(/^Not connected/)]);
  dictation.cancel();
});

it("offers to interrupt what is read aloud only where it hears", async () => {
  vi.stubGlobal("SpeechSynthesisUtterance", FakeUtterance);
  vi.stubGlobal("speechSynthesis", new FakeSpeechEngine().engine);
  services.settings.change({ readsAloud: true, echoCancellation: false });
  try {
    const { chat } = shown();
    const line = () => screen.getByTestId("hands-free").textContent;
    const read = (id: string) =>
      told(() =>
        chat.set(false, null, { id, text: "One sentence here. And ", state: "coming", asking: null }),
      );
    await read("a");
    expect(line()).toMatch(/^Reading the answer aloud\.Stop/);
    await userEvent.click(screen.getByRole("button", { name: "Stop reading" }));
    await userEvent.click(screen.getByRole("button", HANDS_FREE));
    await told(() => undefined);
    await read("b");
    expect(line()).toMatch(/^Reading aloud\. The microphone is off meanwhile/);
    expect(screen.getByTestId("dictation-state")).toBeEmptyDOMElement(); // "Muted" would be the user's doing
    await userEvent.click(screen.getByRole("button", { name: "Unmute the microphone" }));
    expect(line()).toMatch(/^Reading the answer aloud\. Speak to interrupt/);
    await userEvent.click(screen.getByRole("button", { name: "Mute the microphone" }));
    expect(line()).toMatch(/^Reading the answer aloud\.Stop/);
    expect(screen.getByTestId("dictation-state")).toHaveTextContent("Muted");
    await userEvent.click(screen.getByRole("button", { name: "End hands-free" }));
  } finally {
    vi.unstubAllGlobals();
  }
});

it("sends what became final during an answer when that answer ends, and once", async () => {
  const { server, sent, chat, dictation } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => chat.set(false));
  await told(() => server.say("final", 1, "Meanwhile."));
  expect(sent).not.toHaveBeenCalled();
  await told(chat.free);
  expect(sent).toHaveBeenCalledExactlyOnceWith({ text: "Meanwhile.", isWhole: true });
  // It could not be sent.
  await told(() => dictation.composer.dispatch({ type: "replaced", text: "Meanwhile." }));
  await told(() => chat.set(true, "refused"));
  expect(sent).toHaveBeenCalledOnce();
  expect(screen.getByRole("alert")).toHaveTextContent("Hands-free has ended: sending failed");
  expect(dictation.get().state.kind).toBe("idle");
});

it("does not send by itself what was typed into since, nor half an utterance", async () => {
  const { server, sent, chat, field, dictation } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => chat.set(false));
  await told(() => server.say("final", 1, "One."));
  await userEvent.type(field, " and");
  await told(chat.free);
  await told(() => chat.set(false));
  await told(() => server.say("final", 3, "Three."));
  await told(() => server.say("partial", 4, "fo"));
  await told(chat.free);
  expect(sent).not.toHaveBeenCalled();
  await told(() => server.say("final", 4, "Four."));
  expect(sent).toHaveBeenCalledOnce();
  dictation.cancel();
});

it("ends where another conversation is opened, but not where its own message makes one", async () => {
  const { server, sent, chat, visit, dictation } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => server.say("final", 1, "One."));
  await told(() => visit("made"));
  await told(chat.free);
  expect(dictation.get().state.kind).toBe("listening");
  await told(() => chat.set(false));
  await told(() => server.say("final", 2, "Two."));
  await told(() => visit("another"));
  await told(chat.free);
  expect(sent).toHaveBeenCalledOnce();
  expect(dictation.get().state.kind).toBe("idle");
});

it("ends with its microphone, and keeps what was said", async () => {
  const { server, microphones, sent, chat, field } = shown();
  await userEvent.click(screen.getByRole("button", HANDS_FREE));
  await told(() => chat.set(false));
  await told(() => server.say("final", 1, "Kept."));
  await told(() => microphones.last.lose());
  await told(chat.free);
  expect(screen.getByRole("alert")).toHaveTextContent("The microphone is gone");
  expect(field).toHaveValue("Kept.");
  expect(sent).not.toHaveBeenCalled();
});

it("dictates into the conversation where that began, and says so in another one, which sends its own text", async () => {
  const { server, sent, visit, field, dictation } = shown();
  await press("Dictate");
  await told(() => server.say("partial", 1, "for the fi"));
  await told(() => visit("c2"));
  expect(field).toHaveValue("");
  expect(screen.getByText("What you say goes to “New conversation”.")).toBeVisible();
  expect(screen.getByRole("link", { name: "Go there" })).toHaveAttribute("href", "/");
  await told(() => server.say("final", 1, "For the first."));
  expect(field).toHaveValue("");
  await userEvent.type(field, "for the second{Enter}");
  expect(sent).toHaveBeenCalledExactlyOnceWith({ text: "for the second", isWhole: true });
  expect(dictation.get().state.kind).toBe("listening");
  await told(() => server.say("partial", 2, "and not tak"));
  await told(() => void fireEvent.keyDown(field, { key: "Escape" }));
  expect(dictation.get().state.kind).toBe("idle");
  await told(() => visit(null));
  expect(field).toHaveValue("For the first. and not tak"); // Escape takes back only what is seen
  expect(screen.queryByRole("link", { name: "Go there" })).toBeNull();
});

it("sends no draft of another conversation for words that went where the dictation began", async () => {
  const { server, sent, visit, field, dictation } = shown();
  await press("Dictate");
  await told(() => server.say("partial", 1, "for the fi"));
  await told(() => visit("c2"));
  await userEvent.type(field, "half-written");
  await told(() => {
    server.say("final", 1, "For the first."); // it is on its way still
    fireEvent.click(screen.getByRole("button", HANDS_FREE));
  });
  expect([server.dictations.length, field.value]).toEqual([2, "half-written"]);
  expect(sent).not.toHaveBeenCalled();
  await told(() => server.say("final", 1, "And written."));
  expect(sent).toHaveBeenCalledExactlyOnceWith({ text: "half-written and written.", isWhole: true });
  await told(() => visit(null));
  expect(field).toHaveValue("For the first.");
  dictation.cancel();
});

it("shows each conversation its own draft, also after a reload", async () => {
  const first = shown();
  await userEvent.type(first.field, "for a new one");
  await told(() => first.visit("c1"));
  expect(first.field).toHaveValue("");
  first.page.unmount();
  expect(shown().field).toHaveValue("for a new one");
});

it.each([
  ["silent", "No sound comes from the microphone", "Listening"],
  ["muted", "muted outside this page", "You are heard now"],
  ["suspended", "Press anywhere on the page", "You are heard now"],
  ["stalled", "No sound comes in", "You are heard now"],
] as const)("says that no sound comes in (%s) and what to do, until it does", async (sound, words, after) => {
  const { server, microphones } = shown();
  await press("Dictate");
  await told(() => undefined);
  const status = screen.getByRole("status"); // what a screen reader says: the user must act
  const line = screen.getByTestId("dictation-state");
  expect(status).toBeEmptyDOMElement();
  await told(() => microphones.last.tell(sound));
  for (const one of [status, line]) expect(one).toHaveTextContent(words);
  await userEvent.click(screen.getByRole("button", { name: "Mute the microphone" }));
  expect(line).toHaveTextContent("Muted"); // the user knows why nothing is heard
  expect(status).toBeEmptyDOMElement();
  await userEvent.click(screen.getByRole("button", { name: "Unmute the microphone" }));
  expect(status).toHaveTextContent(words);
  await told(() => microphones.last.tell("live"));
  expect(line).toHaveTextContent(after);
  expect(status).toHaveTextContent(after === "Listening" ? "" : after);
  await told(() => server.emit({ type: "speech_started", utterance_id: 1 }));
  expect(line).toHaveTextContent("Hearing you");
  expect(status).toBeEmptyDOMElement();
});

it("says what the server waits for, and reads none of it aloud", async () => {
  const { server } = shown();
  const line = () => screen.getByTestId("dictation-state").textContent;
  const status = (state: string | null, more: object = {}) =>
    told(() => server.emit({ type: "status", state, place: null, backlog_ms: 0, partials: "on", ...more }));
  await press("Dictate");
  await told(() => undefined);
  await status("decoding");
  expect(line()).toBe("Writing…");
  await status("queued", { place: 2 });
  expect(line()).toBe("Queued, 2nd");
  await status("queued", { place: 1 });
  expect(line()).toBe("Queued, next");
  await status("catching_up", { backlog_ms: 40_000 });
  expect(line()).toBe("Catching up, 40 s to go");
  await told(() => server.emit({ type: "speech_started", utterance_id: 1 }));
  expect(line()).toBe("Catching up, 40 s to go");
  await status("catching_up", { backlog_ms: 12_000 });
  expect(line()).toBe("Catching up, 12 s to go");
  expect(screen.getByRole("status")).toBeEmptyDOMElement();
  await status(null);
  await waitFor(() => expect(line()).toBe("Hearing you"));
});

it("says that the engine is being loaded, once the microphone is open", async () => {
  const { server, dictation } = shown();
  server.isLoading = true;
  await press("Dictate");
  await told(() =>
    server.socket.give({
      type: "status",
      state: "loading",
      place: null,
      backlog_ms: 0,
      partials: "on",
      seq: 1,
    }),
  );
  expect(screen.getByTestId("dictation-state")).toHaveTextContent("Loading the speech model…");
  await told(() => void dictation.stop()); // its server answers no stop either
  expect(dictation.get().state.kind).toBe("finishing");
  dictation.cancel();
});

it("promises of what is said only what holds, while no server has answered and while it is lost", async () => {
  const { server } = shown();
  server.isDown = true;
  const status = screen.getByTestId("dictation-state");
  await press("Dictate");
  await told(() => undefined);
  expect(status).toHaveTextContent("Not connected: recording here, 0:00");
  expect(screen.getByText(/in this tab alone/)).toHaveTextContent("is not known yet");
  server.isDown = false;
  await waitFor(() => expect(status).toHaveTextContent("Listening"));
  server.isDown = true;
  await told(() => server.socket.drop(1006));
  expect(status).toHaveTextContent("Not connected: recording here, 0:00");
  expect(screen.getByText(/in this tab alone/)).not.toHaveTextContent("is not known yet");
  await press("Stop dictating");
  expect(status).toHaveTextContent("Not connected: 0:00 waits here for the server");
  server.isDown = false;
  await waitFor(() => expect(status).toHaveTextContent("Hold Space"));
});

it("says what it waits for: the browser's question, the microphone, the server", async () => {
  const { server, microphones, dictation } = shown();
  let allow = (): void => undefined;
  microphones.prompt = new Promise((resolve) => (allow = resolve));
  microphones.isLive = false;
  server.isLoading = true;
  await press("Dictate");
  await told(() => undefined);
  const status = screen.getByRole("status");
  expect(status).toHaveTextContent("Allow the microphone when your browser asks");
  await told(() => allow());
  expect(status).toBeEmptyDOMElement();
  expect(screen.getByTestId("dictation-state")).toHaveTextContent("Waiting for the microphone…");
  await told(() => microphones.last.tell("live"));
  expect(screen.getByTestId("dictation-state")).toHaveTextContent("Waiting for the server…");
  dictation.cancel();
});

it("writes from the right what is written so, in both layers alike", () => {
  const { field } = shown();
  expect(field).toHaveAttribute("dir", "auto");
  const pieces = screen.getByTestId("composer-pieces");
  expect(pieces).toHaveAttribute("dir", "auto");
  for (const layer of [field, pieces]) expect(layer).toHaveClass("[unicode-bidi:plaintext]");
});

it("says what is wrong and what to do about it", async () => {
  const { server, microphones } = shown();
  microphones.failure = { kind: "no_permission", detail: "" };
  await press("Dictate");
  await told(() => undefined);
  expect(screen.getByRole("alert")).toHaveTextContent("may not use the microphone");
  microphones.failure = null;
  const note = { code: "no_checkpoint", params: {} };
  server.refusals = [
    { type: "error", code: "provider_not_ready", message: "pull a model", note, fatal: false },
  ];
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await told(() => undefined);
  expect(screen.getByRole("alert")).toHaveTextContent(
    "The server cannot hear you yet.The model that it hears with has not been downloaded yet.",
  );
  expect(screen.getByText("pull a model")).not.toBeVisible(); // for whoever runs the server
  expect(screen.getByRole("link", { name: "Open settings" })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Close" }));
  expect(screen.queryByRole("alert")).toBeNull();
});

it("stops listening when its page goes", async () => {
  const { microphones, page } = shown();
  await press("Dictate");
  await told(() => undefined);
  expect(microphones.last.isClosed).toBe(false);
  page.unmount();
  await told(() => undefined);
  expect(microphones.last.isClosed).toBe(true);
});

const DOUBTED = {
  start_ms: 0,
  words: [
    { word: "the", start_ms: 0, end_ms: 100, confidence: 0.9 },
    { word: "unock", start_ms: 100, end_ms: 200, confidence: 0.2 },
    { word: "is", start_ms: 200, end_ms: 300, confidence: 0.9 },
    { word: "oter", start_ms: 300, end_ms: 400, confidence: 0.3 },
  ],
};

it("marks uncertain words, names them, and leads to them", async () => {
  const { server, field } = shown();
  await press("Dictate");
  await told(() => undefined);
  expect(server.dictation.start).toMatchObject({ config: { words: true } });
  await told(() => server.say("final", 1, "the unock is oter", 400, DOUBTED));
  const pieces = () => [...screen.getByTestId("composer-pieces").querySelectorAll("[data-kind=doubt]")];
  expect(pieces().map(({ textContent }) => textContent)).toEqual(["unock", "oter"]);
  const next = () => screen.getByRole("button", { name: /uncertain word/ });
  expect(next()).toHaveAccessibleName("2 uncertain words: “unock” and “oter”. Select the next");
  for (const word of ["unock", "oter", "unock"]) {
    await userEvent.click(next());
    expect(field).toHaveFocus();
    expect(field.value.slice(field.selectionStart, field.selectionEnd)).toBe(word);
  }
  await userEvent.keyboard("clock");
  expect(field).toHaveValue("the clock is oter");
  expect(next()).toHaveAccessibleName("1 uncertain word: “oter”. Select it");
  await userEvent.keyboard("{Control>}z{/Control}");
  expect(pieces()).toHaveLength(2);
});

it("marks none where the setting is off", async () => {
  services.settings.change({ marksDoubt: false });
  const { server } = shown();
  await press("Dictate");
  await told(() => undefined);
  expect(server.dictation.start).toMatchObject({ config: { words: false } });
  await told(() => server.say("final", 1, "the unock is oter", 400, DOUBTED));
  const pieces = [...screen.getByTestId("composer-pieces").querySelectorAll("[data-kind=doubt]")];
  expect(pieces.map(({ className }) => className)).toEqual(["", ""]);
  expect(screen.queryByRole("button", { name: /uncertain/ })).not.toBeInTheDocument();
});

it("says what was not understood, and takes the caret there", async () => {
  const { server, field } = shown();
  await press("Dictate");
  const uncovered = [{ start_ms: 110, end_ms: 190, dbfs: -60 }];
  await told(() => server.say("final", 1, "the unock is oter", 400, { ...DOUBTED, uncovered }));
  await userEvent.click(screen.getByRole("button", { name: "A part was not understood: repeat it" }));
  expect(field).toHaveFocus();
  expect([field.selectionStart, field.selectionEnd]).toEqual([10, 10]);
  expect(screen.queryByRole("button", { name: /not understood/ })).not.toBeInTheDocument();
  await told(() => server.say("final", 2, "really"));
  expect(field).toHaveValue("the unock really is oter");
});

it("says that it hears too little, and what the server says of the sound", async () => {
  const { server } = shown();
  await press("Dictate");
  await told(() =>
    server.emit({ type: "utterance_discarded", utterance_id: 1, reason: "too_quiet", end_ms: 9 }),
  );
  expect(screen.getByRole("status")).toHaveTextContent("Very quiet: move closer, or turn the microphone up");
  const hint = { code: "from_a_newer_server", message: "the audio is upside down" };
  await told(() => server.emit({ type: "status", degraded: false, partials: "on", hint }));
  expect(screen.getByTestId("sound-hint")).toHaveTextContent(/^Something is wrong with the sound\./);
  await userEvent.click(screen.getByRole("button", { name: "Close" }));
  expect(screen.getByTestId("sound-hint")).toBeEmptyDOMElement();
  const known = { code: "clipping", message: "the audio is clipped" };
  await told(() => server.emit({ type: "status", degraded: false, partials: "on", hint: known }));
  expect(screen.getByTestId("sound-hint")).toHaveTextContent(
    /^Too loud: move away, or turn the microphone down\.$/,
  );
});
