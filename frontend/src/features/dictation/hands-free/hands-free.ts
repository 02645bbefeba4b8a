/** Hands-free: listens, sends what was said after the pause, and listens again. Without React. */
import type { SessionEvent } from "../client/messages";
import { hasOpenUtterance } from "../composer/model";
import type { Dictation } from "../dictation";
import { isRecording } from "../dictation-state";
import { Duplex } from "./duplex";
import type { AnswerProgress, ReadAloud } from "./read-aloud";
import { type EndReason, type HandsFreeEvent, handsFreeReducer, type HandsFreeState, OFF } from "./turns";
import { isUnfinished, readUtterance, type UtteranceKind } from "./utterances";

/** The pause after words that sound unfinished, where the engine's own pause is shorter. */
export const LONG_PAUSE_MS = 2000;

/** What hands-free needs to know of the chat. */
export interface ChatProgress {
  /** The conversation that is shown; null before its first message. */
  conversationId: string | null;
  /** Whether a text can be sent now. */
  isFree: boolean;
  /** Why the last text was not sent, or its answer failed. */
  problem: "refused" | "failed" | null;
  /** The last answer; null before the first. */
  answer: AnswerProgress | null;
}

export interface HandsFreeSetup {
  dictation: Dictation;
  /** Sends the text of the field, where the chat takes it. */
  send: () => void;
  /** The silence after which the engine ends an utterance; null where it is not known. */
  readSilenceMs: () => number | null;
  reading: ReadAloud;
  cancelsEcho: () => boolean;
  /** The sentence of a reason. */
  describeEnd: (reason: EndReason) => string;
}

export class HandsFree {
  readonly #setup: HandsFreeSetup;
  #state: HandsFreeState = OFF;
  #chat: ChatProgress = { conversationId: null, isFree: true, problem: null, answer: null };
  /** The first message was taken, and its conversation is not shown yet. */
  #isCreating = false;
  /** The text that is gathered: another text was edited. */
  #text = "";
  #heard: UtteranceKind = "nothing";
  #isListening = false;
  /** It was ended by voice, and its dictation may still give finals: a slow one is told twice. */
  #isEndedByVoice = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #duplex: Duplex;

  constructor(setup: HandsFreeSetup) {
    this.#setup = setup;
    const { dictation, reading, cancelsEcho } = setup;
    this.#duplex = new Duplex({
      reading,
      cancelsEcho,
      hears: () => {
        const { state } = dictation.get();
        return isRecording(state) && "isMuted" in state && !state.isMuted;
      },
      isDictating: () => this.#state.kind === "off" && isRecording(dictation.get().state),
      isSpeaking: () => {
        const { state } = dictation.get();
        return state.kind === "listening" && state.isSpeaking;
      },
      mute: dictation.mute,
    });
  }

  /** Follow the dictation, until the function that is returned is called. */
  open(): () => void {
    const { dictation } = this.#setup;
    dictation.reviewFinal = (text) => this.#review(text);
    const leave = [
      this.#duplex.open(),
      dictation.subscribeEvents((event) => this.#handleEvent(event)),
      dictation.subscribe(() => this.#handleDictation()),
      dictation.composer.subscribe(() => this.#handleText()),
    ];
    return () => {
      this.stop();
      dictation.reviewFinal = null;
      leave.forEach((one) => one());
    };
  }

  readonly get = (): HandsFreeState => this.#state;

  get reading(): ReadAloud {
    return this.#setup.reading;
  }

  /** Whether the microphone is muted while an answer is read aloud, and not by the user. */
  get isMuting(): boolean {
    return this.#duplex.isMuting;
  }

  /** What an answer wants to do and waits for the user with. */
  get asking(): string | null {
    return this.#chat.answer?.asking ?? null;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Listen, and send after each pause. A dictation that goes on becomes hands-free. */
  readonly start = (): void => {
    const { dictation, reading } = this.#setup;
    if (this.#state.kind === "on") return;
    if (reading.isOn) reading.prime();
    dictation.startHandsFree();
    this.#text = dictation.composer.get().text;
    this.#apply({ type: "started", isChatFree: this.#chat.isFree });
  };

  /** Listen no more. The last words become final, and stay in the field. */
  readonly stop = (reason: EndReason | null = null): void => {
    if (this.#state.kind === "off") return;
    const { dictation, reading, describeEnd } = this.#setup;
    this.#apply({ type: "stopped", reason });
    reading.skip();
    void dictation.stop(reason !== null); // nothing is read into a microphone that is on
    if (reason !== null) reading.say(describeEnd(reason));
  };

  readonly toggle = (): void => (this.#state.kind === "on" ? this.stop() : this.start());

  /** Forget why it ended: the user has read it. */
  readonly dismiss = (): void => {
    if (this.#state.kind === "off") this.#set(OFF);
  };

  /** Whether the chat is asked to send, and all that was said is final. */
  get isSending(): boolean {
    return this.#state.kind === "on" && this.#state.chat === "sending";
  }

  /** The chat has taken the text of the field. */
  readonly handleTaken = (): void => {
    this.#isCreating = this.#chat.conversationId === null;
    this.#apply({ type: "taken" });
  };

  /** The chat has changed. Another conversation ends hands-free, but not the one that its first text made. */
  readonly handleChat = (chat: ChatProgress): void => {
    const before = this.#chat;
    const { reading } = this.#setup;
    this.#chat = chat;
    const isVisit = chat.conversationId !== before.conversationId;
    if (isVisit && !(before.conversationId === null && this.#isCreating)) {
      this.stop();
      reading.pass(chat.answer);
    } else if (chat.problem !== null && before.problem === null) this.stop(chat.problem);
    if (isVisit) this.#isCreating = false;
    reading.follow(chat.answer);
    if (chat.isFree !== before.isFree) this.#apply({ type: "chat", isFree: chat.isFree });
    if (chat.answer?.asking !== before.answer?.asking) this.#notify();
  };

  /** The text to write for a final: a command and a phantom are none. */
  #review(text: string): string {
    const { kind, words } = readUtterance(text);
    if (this.#state.kind === "off") return this.#isEndedByVoice && kind === "stop" ? words : text;
    this.#heard = kind;
    if (kind === "nothing") this.#duplex.handleNothing();
    else if (words === "" || !this.#duplex.isVoice(text)) return words;
    this.#heard = "nothing";
    return "";
  }

  #handleEvent(event: SessionEvent): void {
    if (this.#state.kind === "off") return;
    const nowMs = performance.now();
    switch (event.type) {
      case "speech":
        if (!event.isSpeaking) return;
        this.#duplex.handleSpeech();
        return this.#apply({ type: "speech" });
      case "partial":
      case "pause_over":
        return this.#apply({ type: "speech" });
      case "pause": {
        const sinceMs = nowMs - event.elapsedMs;
        return this.#apply({ type: "pause", sinceMs, untilMs: sinceMs + this.#choosePauseMs(event.text) });
      }
      case "final":
        return this.#handleFinal(event, nowMs);
    }
  }

  #handleFinal({ text, latency }: Extract<SessionEvent, { type: "final" }>, nowMs: number): void {
    const heard = this.#heard;
    this.#heard = "nothing";
    const { dictation } = this.#setup;
    const { state } = dictation.get();
    const goesOn =
      (state.kind === "listening" && state.isSpeaking) || hasOpenUtterance(dictation.composer.get());
    if (text !== "") {
      this.#text = dictation.composer.get().text;
      const sinceMs = nowMs - (latency?.totalMs ?? 0);
      const untilMs = isUnfinished(text) ? sinceMs + LONG_PAUSE_MS : nowMs; // the engine has waited already
      this.#apply({ type: "words", sinceMs, untilMs, nowMs, goesOn });
    } else if (heard !== "stop") this.#apply({ type: "nothing", goesOn });
    if (heard === "stop") this.#handleCommand();
  }

  /**
   * The user has ended it by voice. What was said before a pause is sent, as it is where its text comes in
   * time; what sounds unfinished stays in the field.
   */
  #handleCommand(): void {
    const model = this.#setup.dictation.composer.get();
    if (!hasOpenUtterance(model) && !isUnfinished(model.text)) this.#apply({ type: "said" });
    this.#isEndedByVoice = true;
    this.stop();
  }

  #choosePauseMs(text: string): number {
    const silenceMs = this.#setup.readSilenceMs() ?? 0;
    return isUnfinished(text) ? Math.max(silenceMs, LONG_PAUSE_MS) : silenceMs;
  }

  /** The microphone went off: by its button, by Escape, or by a failure. */
  #handleDictation(): void {
    const { state } = this.#setup.dictation.get();
    if ("isMuted" in state && !state.isMuted) this.#duplex.handleUnmuted();
    if (isRecording(state) !== this.#isListening) {
      this.#isListening = !this.#isListening;
      if (this.#isListening) this.#isEndedByVoice = false;
      this.#duplex.handleMicrophone();
      // Who presses the microphone wants to speak.
      if (this.#isListening && this.#state.kind === "off") this.#setup.reading.skip();
    }
    if (this.#state.kind === "off" || isRecording(state)) return;
    this.stop(state.kind === "failed" ? "microphone" : null);
  }

  /** Whatever changes the text while nobody speaks is an edit. */
  #handleText(): void {
    const model = this.#setup.dictation.composer.get();
    if (this.#state.kind === "off" || hasOpenUtterance(model) || model.text === this.#text) return;
    const { turn } = this.#state;
    if (turn.kind === "due" || (turn.kind === "pausing" && turn.isFinal)) this.#apply({ type: "edited" });
  }

  #apply(event: HandsFreeEvent): void {
    this.#set(handsFreeReducer(this.#state, event));
  }

  #set(state: HandsFreeState): void {
    const before = this.#state;
    if (state === before) return;
    this.#state = state;
    clearTimeout(this.#timer);
    if (state.kind === "on" && state.turn.kind === "pausing" && state.turn.isFinal) {
      const waitMs = Math.max(0, state.turn.untilMs - performance.now());
      this.#timer = setTimeout(() => this.#apply({ type: "time", nowMs: performance.now() }), waitMs);
    }
    this.#notify();
    if (this.isSending && !(before.kind === "on" && before.chat === "sending")) this.#setup.send();
  }

  #notify(): void {
    this.#listeners.forEach((listener) => listener());
  }
}
