/** Tabs ask each other for what would be lost. */
import { expect, test } from "vitest";

import { UnsentWork } from "./unsent-work";

test("a tab knows its own, and hears of the others, each at its time", async () => {
  const here = new UnsentWork("one browser");
  const other = new UnsentWork("one browser");
  const third = new UnsentWork("one browser");
  let isWritten = false;
  here.register("dictation", () => true);
  other.register("text", () => isWritten);
  other.register("text", () => false);
  third.register("dictation", () => isWritten);
  expect([here.find(), other.find(), await here.findElsewhere()]).toEqual([["dictation"], [], []]);
  isWritten = true;
  expect((await here.findElsewhere()).sort()).toEqual(["dictation", "text"]);
  expect(await third.findElsewhere()).toEqual(["dictation", "text"]);
  expect(await new UnsentWork("another browser").findElsewhere()).toEqual([]);
});
