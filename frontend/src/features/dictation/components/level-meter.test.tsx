/** The meter of the microphone's level: a waveform that remembers, or one bar where nothing is to move. */
import { act, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";

import { LevelMeter } from "./level-meter";

class FakeLevels {
  #level = 0;
  readonly listeners = new Set<() => void>();
  readonly level = () => this.#level;
  readonly subscribeLevel = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  hear(...levels: number[]): void {
    for (const level of levels) {
      this.#level = level;
      act(() => this.listeners.forEach((listener) => listener()));
    }
  }
}

const SILENCE = 0.12;
const heights = () =>
  [...screen.getByTestId("level").querySelectorAll("span")].map((bar) =>
    Number(/scaleY\((.*)\)/.exec(bar.style.transform)?.[1] ?? SILENCE),
  );

afterEach(() => vi.unstubAllGlobals());

describe("LevelMeter", () => {
  it("moves what was heard to the left, and the newest is on the right", () => {
    const source = new FakeLevels();
    render(<LevelMeter source={source} />);
    source.hear(0.2, 0.02, 0);
    const [loud = 0, quiet = 0, silent] = heights().slice(-3);
    expect(loud).toBeGreaterThan(0.8);
    expect(quiet).toBeLessThan(0.5);
    expect(quiet).toBeGreaterThan(SILENCE);
    expect(silent).toBe(SILENCE);
    source.hear(0);
    expect(heights().at(-4)).toBe(loud);
  });

  it("is one bar without motion for who wants none", () => {
    vi.stubGlobal("matchMedia", (media: string) =>
      Object.assign(new EventTarget(), { media, matches: media.includes("reduced-motion") }),
    );
    const animate = vi.spyOn(HTMLElement.prototype, "animate");
    const source = new FakeLevels();
    render(<LevelMeter source={source} />);
    source.hear(0.25);
    const bar = screen.getByTestId("level").querySelector<HTMLElement>(".level-bar > div");
    expect(bar?.style.transform).toBe("scaleX(0.999)");
    expect([heights().length, animate.mock.calls.length]).toEqual([0, 0]);
  });

  it("listens no more once it is gone", () => {
    const source = new FakeLevels();
    render(<LevelMeter source={source} />).unmount();
    expect(source.listeners.size).toBe(0);
  });
});
