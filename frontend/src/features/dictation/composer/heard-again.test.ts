/** What came from a dictation is found while it stands as it came, and another text takes its place. */
import { expect, test } from "vitest";

import { findDictated } from "./heard-again";
import { type ComposerModel, EMPTY } from "./model";
import { type ComposerAction, composerReducer } from "./reducer";

const run = (actions: readonly ComposerAction[], from: ComposerModel = EMPTY): ComposerModel =>
  actions.reduce(composerReducer, from);

const final = (key: string, text: string, isJoined = false): ComposerAction => ({
  type: "final",
  key,
  text,
  isJoined,
});
const typed = (text: string): ComposerAction => ({
  type: "typed",
  text,
  caret: { start: text.length, end: text.length },
});
const SAID: readonly ComposerAction[] = [
  typed("Dear Ana. "),
  { type: "partial", key: "d1.1:1", text: "the me", stable: "" },
  final("d1.1:1", "The meaning is late."),
  final("d1.1:2", "Send it now."),
  { type: "ended", dictation: "d1" },
];
const heard = (text: string): ComposerAction => ({ type: "heard_again", dictation: "d1", text });

test("the whole of it is replaced, what was typed around it stays", () => {
  const said = run([...SAID, typed("Dear Ana. The meaning is late. Send it now. Bye")]);
  expect(findDictated(said, "d1")?.text).toBe("The meaning is late. Send it now.");
  const replaced = run([heard("The meeting is late, send it now.")], said);
  expect(replaced.text).toBe("Dear Ana. The meeting is late, send it now. Bye");
  expect(findDictated(replaced, "d1")?.text).toBe("The meeting is late, send it now.");
});

test("undo takes it back, redo brings it again, and it can be heard a third time", () => {
  const said = run(SAID);
  const replaced = run([heard("Otra cosa.")], said);
  const undone = run([{ type: "undo" }], replaced);
  expect(undone.text).toBe(said.text);
  expect(undone.spans).toEqual(said.spans);
  expect(findDictated(undone, "d1")?.text).toBe("The meaning is late. Send it now.");
  expect(run([{ type: "redo" }], undone).text).toBe(replaced.text);
  const third = run([heard("Una tercera.")], replaced);
  expect(third.text).toBe("Dear Ana. Una tercera.");
  expect(run([{ type: "undo" }, { type: "undo" }], third).text).toBe(said.text);
});

test("it fits the sentence around it", () => {
  const said = run([typed("I think "), final("d1.1:1", "The end."), { type: "ended", dictation: "d1" }]);
  expect(said.text).toBe("I think the end.");
  expect(run([heard("The beginning.")], said).text).toBe("I think the beginning.");
});

test("a joined sentence is as it came", () => {
  const said = run([
    final("d1.1:1", "We go."),
    final("d1.1:2", "to Madrid.", true),
    { type: "ended", dictation: "d1" },
  ]);
  expect(findDictated(said, "d1")?.text).toBe(said.text);
});

test.each<[string, readonly ComposerAction[]]>([
  ["a word of it is changed", [typed("Dear Ana. The meeting is late. Send it now.")]],
  ["something is typed inside it", [typed("Dear Ana. The meaning is late. Please. Send it now.")]],
  ["letters are typed onto it", [typed("Dear Ana. xThe meaning is late. Send it now.")]],
  ["a part is deleted", [typed("Dear Ana. The meaning is late.")]],
  ["all of it is deleted", [typed("Dear Ana. ")]],
  ["its last utterance is undone", [{ type: "undo" }]],
  ["it is sent", [{ type: "sent" }]],
])("nothing is offered where %s", (_, actions) => {
  const model = run([...SAID, ...actions]);
  expect(findDictated(model, "d1")).toBeNull();
  expect(run([heard("Otra cosa.")], model)).toEqual(model);
});

test("nor while it may still change, nor for another dictation", () => {
  const open = run([final("d1.1:1", "One."), { type: "partial", key: "d1.1:2", text: "two", stable: "" }]);
  expect(findDictated(open, "d1")).toBeNull();
  expect(findDictated(run(SAID), "d2")).toBeNull();
});

test("a later dictation behind it keeps its place", () => {
  const both = run([...SAID, final("d2.1:1", "Thank you."), { type: "ended", dictation: "d2" }]);
  const replaced = run([heard("Shorter.")], both);
  expect(replaced.text).toBe("Dear Ana. Shorter. Thank you.");
  expect(findDictated(replaced, "d2")?.text).toBe("Thank you.");
});
