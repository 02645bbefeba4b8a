/** Turns: one in a task, the newest first, and none for who gave it up. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { waitForTurn } from "./turns";

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
});

it("gives one turn in a task, the newest first, and none to who gave it up", () => {
  const given: string[] = [];
  waitForTurn(() => given.push("first"));
  const giveUp = waitForTurn(() => given.push("second"));
  waitForTurn(() => {
    given.push("third");
    waitForTurn(() => given.push("third again"));
  });
  giveUp();
  const after: string[][] = [];
  while (vi.getTimerCount() > 0) {
    vi.advanceTimersToNextTimer();
    after.push([...given]);
  }
  expect(given).toEqual(["third", "third again", "first"]);
  expect(after.map(({ length }) => length)).toEqual([1, 2, 3]);
});
