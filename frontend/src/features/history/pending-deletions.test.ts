/** A deletion can be undone until its time is over, and is never told to the server twice. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { PendingDeletions } from "./pending-deletions";

const told: [string, boolean][] = [];
let refuse = false;
const deletions = () =>
  new PendingDeletions(async (id, atOnce) => {
    told.push([id, atOnce]);
    if (refuse) throw new Error("no");
    await Promise.resolve();
  }, 1000);

beforeEach(() => {
  vi.useFakeTimers();
  told.length = 0;
  refuse = false;
});
afterEach(() => vi.useRealTimers());

test("it is hidden at once, and deleted when the time is over", async () => {
  const pending = deletions();
  pending.add("a", () => undefined);
  expect(pending.hidden().has("a")).toBe(true);
  await vi.advanceTimersByTimeAsync(999);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(told).toEqual([["a", false]]);
  expect(pending.hidden().has("a")).toBe(true);
});

test("undone it is there again and the server hears nothing", async () => {
  const pending = deletions();
  pending.add("a", () => undefined);
  pending.undo("a");
  await vi.advanceTimersByTimeAsync(5000);
  expect(told).toEqual([]);
  expect(pending.hidden().size).toBe(0);
});

test("a page that goes deletes at once, and only once", async () => {
  const pending = deletions();
  pending.add("a", () => undefined);
  pending.add("a", () => undefined);
  pending.add("b", () => undefined);
  void pending.flush();
  await vi.advanceTimersByTimeAsync(5000);
  expect(told).toEqual([
    ["a", true],
    ["b", true],
  ]);
});

test("a refusal shows it again and says so", async () => {
  refuse = true;
  const failed = vi.fn();
  const pending = deletions();
  pending.add("a", failed);
  await vi.advanceTimersByTimeAsync(1000);
  expect(failed).toHaveBeenCalledOnce();
  expect(pending.hidden().size).toBe(0);
});
