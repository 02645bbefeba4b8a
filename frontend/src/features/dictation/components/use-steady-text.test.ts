/** The line does not flicker: calm texts wait, what matters is shown at once. */
import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { CALM_MS, LEAST_SHOWN_MS, type Pace, useSteadyText } from "./use-steady-text";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

function shown() {
  const initialProps: { text: string; pace: Pace } = { text: "Listening", pace: "calm" };
  const { result, rerender } = renderHook(({ text, pace }) => useSteadyText(text, pace), { initialProps });
  return { now: () => result.current, set: (text: string, pace: Pace) => rerender({ text, pace }) };
}

it("goes from hearing to what is awaited without a word between them", async () => {
  const { now, set } = shown();
  await pass(5000);
  set("Hearing you", "turn");
  expect(now()).toBe("Hearing you");
  await pass(5000);
  set("Listening", "calm");
  await pass(CALM_MS - 50);
  expect(now()).toBe("Hearing you");
  set("Writing…", "held");
  expect(now()).toBe("Writing…");
});

it("shows nothing for a moment only", async () => {
  const { now, set } = shown();
  await pass(5000);
  set("Writing…", "held");
  await pass(50);
  set("Hearing you", "turn");
  set("Listening", "calm");
  await pass(LEAST_SHOWN_MS - 100);
  expect(now()).toBe("Writing…");
  await pass(100);
  expect(now()).toBe("Listening");
});

it("stays where it is while speech begins and ends ten times in a second", async () => {
  const { now, set } = shown();
  await pass(5000);
  const seen = new Set<string>();
  for (let time = 0; time < 10; time += 1) {
    set("Hearing you", "turn");
    seen.add(now());
    await pass(50);
    set("Listening", "calm");
    seen.add(now());
    await pass(50);
  }
  expect([...seen]).toEqual(["Hearing you"]);
  await pass(CALM_MS);
  expect(now()).toBe("Listening");
});
