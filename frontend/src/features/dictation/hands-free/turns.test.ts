/** Turns of a hands-free conversation: when a text is sent, and never twice, nor after the end. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { type HandsFreeEvent, handsFreeReducer, type HandsFreeState, OFF } from "./turns";

const play = (...events: HandsFreeEvent[]): HandsFreeState => events.reduce(handsFreeReducer, OFF);
const STARTED: HandsFreeEvent = { type: "started", isChatFree: true };
const SPEECH: HandsFreeEvent = { type: "speech" };
const words = (untilMs = 0, goesOn = false): HandsFreeEvent => ({
  type: "words",
  sinceMs: 0,
  untilMs,
  nowMs: 0,
  goesOn,
});
const NOTHING: HandsFreeEvent = { type: "nothing", goesOn: false };
const isSending = (state: HandsFreeState): boolean => state.kind === "on" && state.chat === "sending";

describe("a turn", () => {
  it("ends with the final, where the pause was long enough: nothing waits twice", () => {
    expect(isSending(play(STARTED, SPEECH, words()))).toBe(true);
  });

  it("ends with the rest of a longer pause, unless speech goes on", () => {
    const pausing = play(STARTED, SPEECH, words(2000));
    expect(pausing).toMatchObject({ turn: { kind: "pausing", untilMs: 2000 } });
    expect(isSending(handsFreeReducer(pausing, { type: "time", nowMs: 1999 }))).toBe(false);
    expect(isSending(handsFreeReducer(pausing, { type: "time", nowMs: 2000 }))).toBe(true);
    const resumed = handsFreeReducer(pausing, SPEECH);
    expect(isSending(handsFreeReducer(resumed, { type: "time", nowMs: 9000 }))).toBe(false);
    expect(isSending(handsFreeReducer(resumed, words()))).toBe(true);
  });

  it("shows the pause that the engine waits for, and does not end with it", () => {
    const pausing = play(STARTED, SPEECH, { type: "pause", sinceMs: 0, untilMs: 600 });
    expect(pausing).toMatchObject({ turn: { kind: "pausing", untilMs: 600 } });
    expect(isSending(handsFreeReducer(pausing, { type: "time", nowMs: 700 }))).toBe(false);
  });

  it("is sent after a cough behind it, and a cough alone is not", () => {
    expect(isSending(play(STARTED, SPEECH, words(2000), SPEECH, NOTHING))).toBe(true);
    expect(play(STARTED, SPEECH, NOTHING)).toMatchObject({ turn: { kind: "open" } });
  });

  it("goes on where the next utterance has begun before the final", () => {
    const state = play(STARTED, SPEECH, words(0, true));
    expect(state).toMatchObject({ turn: { kind: "speaking" }, chat: "free" });
    expect(isSending(handsFreeReducer(state, words()))).toBe(true);
  });

  it("waits for the chat, and is asked for again where a request came to nothing", () => {
    const waiting = play({ type: "started", isChatFree: false }, words());
    expect(waiting).toMatchObject({ turn: { kind: "due" }, chat: "busy" });
    const asked = handsFreeReducer(waiting, { type: "chat", isFree: true });
    expect(isSending(asked)).toBe(true);
    const refused = handsFreeReducer(asked, { type: "chat", isFree: false });
    expect(isSending(handsFreeReducer(refused, { type: "chat", isFree: true }))).toBe(true);
  });

  it("belongs to the user who edits it", () => {
    const edited = play({ type: "started", isChatFree: false }, words(), { type: "edited" });
    expect(isSending(handsFreeReducer(edited, { type: "chat", isFree: true }))).toBe(false);
  });
});

/** What may happen, in any order: `submit` is the user's own Enter. */
type Move =
  | "speech"
  | "pause"
  | "final"
  | "unfinished"
  | "phantom"
  | "wait"
  | "edit"
  | "submit"
  | "chat"
  | "said"
  | "stop";

/** The page around the state: a field, a chat that is free or not, and what it was sent. */
class Page {
  state = play(STARTED);
  field: number[] = [];
  readonly sent: number[][] = [];
  isFree = true;
  isEdited = false;
  nowMs = 0;
  count = 0;

  apply(event: HandsFreeEvent): void {
    const before = this.state;
    this.state = handsFreeReducer(before, event);
    if (isSending(this.state) && !isSending(before)) this.submit();
  }

  submit(): void {
    if (!this.isFree || this.field.length === 0) return;
    this.sent.push(this.field.splice(0));
    this.isEdited = false;
    this.apply({ type: "taken" });
    this.answer(false);
  }

  answer(isFree: boolean): void {
    this.isFree = isFree;
    this.apply({ type: "chat", isFree });
  }

  hear(untilMs: number): void {
    this.count += 1;
    this.field.push(this.count);
    this.apply({ type: "words", sinceMs: this.nowMs, untilMs, nowMs: this.nowMs, goesOn: false });
  }

  make(move: Move): void {
    switch (move) {
      case "speech":
        return this.apply(SPEECH);
      case "pause":
        return this.apply({ type: "pause", sinceMs: this.nowMs, untilMs: this.nowMs + 600 });
      case "final":
        return this.hear(this.nowMs);
      case "unfinished":
        return this.hear(this.nowMs + 2000);
      case "phantom":
        return this.apply(NOTHING);
      case "wait":
        this.nowMs += 1000;
        return this.apply({ type: "time", nowMs: this.nowMs });
      case "edit":
        this.isEdited = this.field.length > 0;
        return this.apply({ type: "edited" });
      case "submit":
        return this.submit();
      case "chat":
        return this.answer(!this.isFree);
      case "said":
        return this.apply({ type: "said" });
      case "stop":
        return this.apply({ type: "stopped", reason: null });
    }
  }
}

const MOVES: Move[] = [
  "speech",
  "pause",
  "final",
  "unfinished",
  "phantom",
  "wait",
  "edit",
  "submit",
  "chat",
  "said",
];
const anyOrder = fc.array(fc.constantFrom(...MOVES), { maxLength: 40 });

describe("in any order of events", () => {
  it("each utterance is sent once at most, and a quiet page with a free chat has sent all", () => {
    fc.assert(
      fc.property(anyOrder, (moves) => {
        const page = new Page();
        for (const move of moves) page.make(move);
        page.make("phantom"); // whoever spoke is silent
        for (let second = 0; second < 4; second += 1) page.make("wait");
        page.answer(true);
        const sent = page.sent.flat();
        expect(new Set(sent).size).toBe(sent.length);
        if (!page.isEdited)
          expect([...sent].sort((a, b) => a - b)).toEqual([...Array(page.count).keys()].map((n) => n + 1));
      }),
    );
  });

  it("nothing is sent by itself after the end", () => {
    fc.assert(
      fc.property(anyOrder, anyOrder, (before, after) => {
        const page = new Page();
        for (const move of before) page.make(move);
        page.make("stop");
        const count = page.sent.length;
        for (const move of after) if (move !== "submit") page.make(move);
        page.answer(true);
        expect(page.sent).toHaveLength(count);
      }),
    );
  });
});
