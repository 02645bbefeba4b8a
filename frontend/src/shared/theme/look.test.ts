/** Whatever is chosen can be read: each shipped look, and any accent, on any theme of one's own. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { COLOURS } from "../api/theme-tokens";
import { type Channels, formatColour, hasContrast, parseColour, WHITE } from "./colours";
import { type LookChoices, type LookSource, resolveColours, writeLook } from "./look";
import { CODE_THEMES, PALETTES } from "./palettes";
import { type Colours, MODES, TOKEN_CONTRASTS } from "./tokens";

const NOTHING: LookChoices = {
  palette: "",
  accent: "",
  codeTheme: "",
  textSize: "",
  density: "",
  font: "",
};
const choose = (choices: Partial<LookChoices>, file: LookSource["file"] = null): LookSource => ({
  choices: { ...NOTHING, ...choices },
  file,
});
const channel = fc.integer({ min: 0, max: 255 });
const anyColour = (fc.tuple(channel, channel, channel) as fc.Arbitrary<Channels>).map(formatColour);
const palettes = Object.keys(PALETTES);
const codeThemes = ["", ...Object.keys(CODE_THEMES)];
const PLACES = MODES.flatMap((mode) => [false, true].map((isHigh) => [mode, isHigh] as const));

/** The tokens that have too little contrast. */
function findWeak(colours: Colours, isHigh = false): string[] {
  const read = (token: keyof Colours) => parseColour(colours[token]) ?? WHITE;
  return TOKEN_CONTRASTS.filter(({ token, behind, least, tint }) => {
    const highest = isHigh && token !== "on-fill" ? (least > 3 ? 7 : 4.5) : least;
    return !hasContrast(read(token), behind.map(read), { least: highest, tint });
  }).map(({ token }) => token);
}

describe.each(palettes)("%s", (palette) => {
  test.each(PLACES)("can be read, %s, high contrast: %s", (mode, isHigh) => {
    for (const codeTheme of codeThemes)
      expect(findWeak(resolveColours(choose({ palette, codeTheme }), mode, isHigh).colours, isHigh)).toEqual(
        [],
      );
  });

  test.each(MODES)("is as it was drawn, %s: none of its own colours has to be moved", (mode) => {
    const own = Object.keys(PALETTES[palette as keyof typeof PALETTES][mode]);
    const { moved } = resolveColours(choose({ palette }), mode);
    expect(moved.filter((token) => own.includes(token))).toEqual([]);
  });
});

test("any accent can be read on each palette, and is itself where it is large", () => {
  fc.assert(
    fc.property(
      anyColour,
      fc.constantFrom(...palettes),
      fc.constantFrom(...codeThemes),
      fc.constantFrom(...PLACES),
      (accent, palette, codeTheme, [mode, isHigh]) => {
        const { colours } = resolveColours(choose({ accent, palette, codeTheme }), mode, isHigh);
        expect(findWeak(colours, isHigh)).toEqual([]);
        expect(colours.fill).toBe(accent);
      },
    ),
  );
});

test("a theme of one's own can be read whatever its surfaces are, as long as they agree", () => {
  const around = fc.tuple(fc.boolean(), fc.tuple(channel, channel, channel)).map(([isLight, parts]) => {
    const near = parts.map((part) => Math.round((isLight ? 200 : 0) + (part / 255) * 55));
    return [isLight, formatColour(near as unknown as Channels)] as const;
  });
  const texts = fc.dictionary(fc.constantFrom(...TOKEN_CONTRASTS.map(({ token }) => token)), anyColour);
  fc.assert(
    fc.property(around, texts, fc.constantFrom(...MODES), ([, surface], colours, mode) => {
      const surfaces = { page: surface, surface, raised: surface };
      const file = { name: "x", [mode]: { ...colours, ...surfaces } };
      expect(findWeak(resolveColours(choose({ palette: "own" }, file), mode).colours)).toEqual([]);
    }),
  );
});

test("a look that was saved looks the same when it is opened", () => {
  fc.assert(
    fc.property(anyColour, fc.constantFrom(...palettes), fc.constantFrom(...codeThemes), (...chosen) => {
      const [accent, palette, codeTheme] = chosen;
      const source = choose({ accent, palette, codeTheme });
      const [light, dark] = MODES.map((mode) => resolveColours(source, mode).colours);
      const opened = choose({ palette: "own" }, { name: "x", light: light ?? {}, dark: dark ?? {} });
      expect(resolveColours(opened, "light")).toEqual({ colours: light, moved: [] });
      expect(resolveColours(opened, "dark")).toEqual({ colours: dark, moved: [] });
    }),
  );
});

describe("the style sheet of a look", () => {
  test("has each colour for light and dark, and leaves high contrast as it is", () => {
    const css = writeLook(choose({ palette: "sand" }));
    for (const token of COLOURS) expect(css.match(new RegExp(`--${token}:\\d`, "g"))).toHaveLength(2);
    expect(css).not.toMatch(/^:root\.contrast|dark\.contrast/m);
  });

  test("has the accent in high contrast too", () => {
    expect(writeLook(choose({ accent: "#008800" })).match(/^:root\S+contrast/gm)).toHaveLength(4);
  });

  test("sets what is chosen and nothing else", () => {
    expect(writeLook(choose({}))).toBe("");
    expect(writeLook(choose({ textSize: "150" }))).toBe(":root{--text-size:150%}\n");
    expect(writeLook(choose({ density: "compact", font: "serif" }))).toBe(
      ":root{--space:0.75;--target-fine:32px;--font-text:var(--font-serif)}\n",
    );
  });

  test("takes measures of a file, unless others are chosen", () => {
    const shape = { radius: "0rem", "text-size": "120%", font: "mono" } as const;
    const css = writeLook(choose({ textSize: "100" }, { name: "x", shape }));
    expect(css).toBe(":root{--radius:0rem;--text-size:100%;--font-text:var(--font-mono)}\n");
  });

  test("has nothing in it that loads or runs", () => {
    for (const palette of [...palettes, "own", "toString"])
      expect(writeLook(choose({ palette, accent: "#123456" }))).not.toMatch(/url|image|import|\\/i);
  });
});
