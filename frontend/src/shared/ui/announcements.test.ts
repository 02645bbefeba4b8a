/** While somebody dictates screen readers are told what is asked for; the rest comes afterwards. */
import { expect, test } from "vitest";

import { Announcements } from "./announcements";

test("what is said while it is held is told at the end, the newest of each subject", () => {
  const announcements = new Announcements();
  const told: string[] = [];
  announcements.subscribe(() => told.push(announcements.get().text));
  announcements.say("before", "a");
  const release = announcements.hold();
  const releaseOther = announcements.hold();
  announcements.say("an answer comes", "answer");
  announcements.say("copied", "notice");
  announcements.say("the answer", "answer");
  announcements.read("asked for");
  release();
  release();
  expect(told).toEqual(["before", "asked for"]);
  releaseOther();
  expect(told).toEqual(["before", "asked for", "copied the answer"]);
  announcements.hold()();
  expect(told).toHaveLength(3);
});

test("the same text told again is another announcement", () => {
  const announcements = new Announcements();
  announcements.read("again");
  const { id } = announcements.get();
  announcements.read("again");
  expect(announcements.get()).toEqual({ text: "again", id: id + 1 });
});
