/** Set up for every test: DOM matchers, English texts, and a clean page afterwards. */
import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterAll, afterEach, beforeAll } from "vitest";

import { startI18n } from "@/i18n/i18n";

// jsdom has no modal dialogs, no captured pointers, no animations and no media queries.
if (!("showModal" in HTMLDialogElement.prototype)) {
  Object.assign(HTMLDialogElement.prototype, {
    showModal(this: HTMLDialogElement) {
      this.open = true;
    },
    close(this: HTMLDialogElement) {
      this.open = false;
    },
  });
}
HTMLElement.prototype.setPointerCapture = () => undefined;
HTMLElement.prototype.animate = () => new EventTarget() as Animation;
globalThis.matchMedia ??= (media: string) =>
  Object.assign(new EventTarget(), {
    media,
    matches: media.includes("min-width"),
  }) as unknown as MediaQueryList;

// What still runs after the last test of a file would find no page: the environment is taken down first.
const running = new Set<number>();
for (const name of ["setTimeout", "setInterval"] as const) {
  const begin = globalThis[name].bind(globalThis) as (...parameters: unknown[]) => number;
  Object.assign(globalThis, {
    [name]: (...parameters: unknown[]) => {
      const timer = begin(...parameters);
      running.add(timer);
      return timer;
    },
  });
}
afterAll(() => running.forEach((timer) => clearTimeout(timer)));

// What is waited for comes late on a busy machine.
configure({ asyncUtilTimeout: 15_000 });

// A check that has to be the same each time draws the same cases; elsewhere each run looks for others.
if (process.env.PROMPTER_TEST_REQUIRE_ALL) (await import("fast-check")).configureGlobal({ seed: 1 });

beforeAll(() => startI18n("en"));
afterEach(() => {
  cleanup();
  localStorage.clear();
});
