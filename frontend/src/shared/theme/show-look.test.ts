/** A look is put on the page, kept for the first paint of the next visit, and taken off again. */
import { afterEach, expect, test, vi } from "vitest";

import { DEFAULTS } from "../lib/settings";
import { followSystem, showLook } from "./show-look";

// jsdom has no style sheets of scripts.
class FakeSheet {
  css = "";
  replaceSync(css: string): void {
    this.css = css;
  }
}
vi.stubGlobal("CSSStyleSheet", FakeSheet);
Object.assign(document, { adoptedStyleSheets: [] });

const kept = () => localStorage.getItem("prompter.look");
const shown = () => (window.prompterLook as unknown as FakeSheet | undefined)?.css ?? "";
afterEach(() => document.documentElement.classList.remove("dark", "contrast"));

test("what is shown is what is kept; nothing chosen is nothing kept", async () => {
  await showLook(DEFAULTS);
  expect([kept(), document.adoptedStyleSheets]).toEqual([null, []]);
  await showLook({ ...DEFAULTS, palette: "forest", textSize: "125" });
  expect(kept()).toMatch(/--page:243 248 244.*--text-size:125%/s);
  expect(shown()).toBe(kept());
  await showLook(DEFAULTS);
  expect([kept(), shown()]).toEqual([null, ""]);
  expect(document.adoptedStyleSheets).toHaveLength(1);
});

test("the last of several choices counts", async () => {
  await Promise.all(["sand", "rose", "graphite"].map((palette) => showLook({ ...DEFAULTS, palette })));
  expect(shown()).toMatch(/--page:247 247 247/);
});

test("the theme of the server is below what is chosen, unless a palette is", async () => {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet" });
  link.dataset["theme"] = JSON.stringify({
    "prompter-theme": 1,
    name: "Harbour",
    light: { page: "#e8f4f8" },
  });
  document.head.append(link);
  await showLook({ ...DEFAULTS, accent: "#aa0000" });
  expect(shown()).toMatch(/--page:232 244 248/);
  await showLook({ ...DEFAULTS, accent: "#aa0000", palette: "sand" });
  expect(shown()).toMatch(/--page:247 243 234/);
  link.remove();
});

test.each(["{", '{"prompter-theme": 1}', ""])(
  "a theme of one's own that is %j is as none",
  async (ownTheme) => {
    await showLook({ ...DEFAULTS, palette: "own", ownTheme });
    expect(shown()).toMatch(/--page:248 250 252/);
  },
);

test("light, dark and contrast are those of the system until they are chosen", () => {
  const media = new Map<string, EventTarget & { matches: boolean }>();
  vi.spyOn(globalThis, "matchMedia").mockImplementation((query) => {
    const made = Object.assign(new EventTarget(), { media: query, matches: true });
    media.set(query, made);
    return made as unknown as MediaQueryList;
  });
  const classes = () => [...document.documentElement.classList].sort();
  const end = followSystem({ theme: "system", contrast: "system" });
  expect(classes()).toEqual(["contrast", "dark"]);
  const contrast = media.get("(prefers-contrast: more)");
  Object.assign(contrast ?? {}, { matches: false });
  contrast?.dispatchEvent(new Event("change"));
  expect(classes()).toEqual(["dark"]);
  end();
  followSystem({ theme: "light", contrast: "high" })();
  expect(classes()).toEqual(["contrast"]);
});
