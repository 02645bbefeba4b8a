/** What stands on the screen while an answer is on its way. */
import { describe, expect, it } from "vitest";

import { applyAnswerEvent, type LiveAnswer, newLiveAnswer } from "./live-answer";
import {
  isEditable,
  mergeLiveAnswer,
  type ShownMessage,
  toShownMessages,
  UNSENT_ANSWER_ID,
} from "./shown-messages";

const message = (
  id: string,
  role: "user" | "assistant",
  content: string,
  status: "complete" | "streaming" = "complete",
) => ({
  id,
  role,
  content,
  status,
  parent_id: null,
  version_ids: [id],
  reasoning: null,
  timestamp: "",
  model: null,
  provider: null,
  finish_reason: null,
  usage: null,
  error: null,
  client_message_id: null,
  tool_events: [],
  attachments: [],
});
const STORED = toShownMessages([
  message("u1", "user", "one"),
  message("a1", "assistant", "first"),
  message("u2", "user", "two"),
  message("a2", "assistant", "second"),
]);
const said = (shown: readonly ShownMessage[]) => shown.map(({ content }) => content);
const started = (live: LiveAnswer) =>
  applyAnswerEvent(live, {
    type: "start",
    conversationId: "c",
    messageId: "a3",
    userMessageId: "u3",
    title: "",
  });

describe("shownMessages", () => {
  it("shows what is sent before it is stored", () => {
    const shown = mergeLiveAnswer(STORED, newLiveAnswer({ kind: "send", question: "three" }));
    expect(said(shown)).toEqual(["one", "first", "two", "second", "three", ""]);
    expect(shown.slice(-2).map(({ status }) => status)).toEqual(["sending", "streaming"]);
    expect(shown[0]).toBe(STORED[0]); // what does not change is not drawn again
  });

  it("puts another answer in the place of the old one", () => {
    const shown = mergeLiveAnswer(STORED, newLiveAnswer({ kind: "regenerate", replaces: "a1" }));
    expect(said(shown)).toEqual(["one", ""]);
    expect(shown[1]?.id).toBe(UNSENT_ANSWER_ID);
  });

  it("leaves a message where it is until its edit is stored", () => {
    const live = newLiveAnswer({ kind: "edit", question: "TWO", replaces: "u2" });
    expect(said(mergeLiveAnswer(STORED, live))).toEqual(["one", "first", "two", "second"]);
    expect(said(mergeLiveAnswer(STORED, started(live)))).toEqual(["one", "first", "TWO", ""]);
  });

  it("shows no message twice when it is read while its answer comes", () => {
    const live = applyAnswerEvent(started(newLiveAnswer({ kind: "send", question: "three" })), {
      type: "content",
      text: "thi",
    });
    const read = [
      ...STORED,
      ...toShownMessages([message("u3", "user", "three"), message("a3", "assistant", "", "streaming")]),
    ];
    expect(said(mergeLiveAnswer(read, live))).toEqual(["one", "first", "two", "second", "three", "thi"]);
  });

  it("does not go back behind what is stored, and believes it once it is whole", () => {
    const live = { ...newLiveAnswer({ kind: "follow", messageId: "a2" }), content: "se" };
    const streaming = toShownMessages([message("a2", "assistant", "secon", "streaming")]);
    expect(said(mergeLiveAnswer(streaming, live))).toEqual(["secon"]);
    const [whole] = mergeLiveAnswer(toShownMessages([message("a2", "assistant", "second")]), live);
    expect(whole).toMatchObject({ content: "second", live: null });
  });

  it("lets nothing be changed while an answer comes", () => {
    const [first] = STORED;
    if (!first) throw new Error("no message");
    expect(isEditable(first, null)).toBe(true);
    expect(isEditable(first, newLiveAnswer({ kind: "send" }))).toBe(false);
    expect(isEditable(first, { ...newLiveAnswer({ kind: "send" }), phase: "ended" })).toBe(true);
  });
});

describe("a request that may have arrived", () => {
  it("shows no answer being written", () => {
    const known = toShownMessages([]);
    const shown = (live: Parameters<typeof newLiveAnswer>[0]) =>
      mergeLiveAnswer(known, newLiveAnswer({ ...live, phase: "uncertain" })).map(({ role }) => role);
    expect(shown({ kind: "send", question: "hello" })).toEqual(["user"]);
    expect(shown({ kind: "regenerate", replaces: "a" })).toEqual([]);
  });
});
