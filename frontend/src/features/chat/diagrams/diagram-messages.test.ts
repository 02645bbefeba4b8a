/** What the frame says is read with care, and colours are given as it takes them. */
import { expect, it } from "vitest";

import {
  isTooLarge,
  makeForcedPalette,
  MOST_DIAGRAM_CHARS,
  MOST_HEIGHT_PX,
  MOST_SVG_CHARS,
  readFrameMessage,
  readPalette,
} from "./diagram-messages";

it("takes what the frame says", () => {
  expect(readFrameMessage({ type: "ready" })).toEqual({ type: "ready" });
  expect(readFrameMessage({ type: "drawn", svg: "<svg/>", more: 1 })).toEqual({
    type: "drawn",
    svg: "<svg/>",
  });
  expect(readFrameMessage({ type: "size", heightPx: 99.2 })).toEqual({ type: "size", heightPx: 100 });
});

it("leaves code with too many letters or parts undrawn", () => {
  expect(isTooLarge("graph TD\n" + "A --> B\n".repeat(400))).toBe(false);
  expect(isTooLarge("x".repeat(MOST_DIAGRAM_CHARS + 1))).toBe(true);
  for (const between of ["\n", ";", "&"])
    expect(isTooLarge(`graph TD\n${`a${between}`.repeat(1000)}`)).toBe(true);
});

it("takes no picture, no height and no message without a limit", () => {
  expect(readFrameMessage({ type: "size", heightPx: 1e9 })).toEqual({
    type: "size",
    heightPx: MOST_HEIGHT_PX,
  });
  expect(readFrameMessage({ type: "drawn", svg: "x".repeat(MOST_SVG_CHARS + 1) })).toBeNull();
});

it.each([
  null,
  "ready",
  7,
  {},
  { type: "other" },
  { type: "drawn" },
  { type: "drawn", svg: 1 },
  { type: "size", heightPx: "9" },
  { type: "size", heightPx: NaN },
  { type: "size", heightPx: -1 },
])("takes nothing else: %j", (data) => {
  expect(readFrameMessage(data)).toBeNull();
});

it("takes both colours of a system that forces its own", () => {
  const palette = makeForcedPalette(16, "rgb(0, 0, 0)", "rgb(255, 255, 0)");
  expect(palette).toMatchObject({ isDark: true, surface: "#000000", raised: "#000000" });
  expect(palette).toMatchObject({ ink: "#ffff00", muted: "#ffff00", accent: "#ffff00" });
  expect(makeForcedPalette(16, "rgb(255, 255, 255)", "rgb(0, 0, 0)").isDark).toBe(false);
});

it("gives the colours of the style sheet, and a grey where there is none", () => {
  const palette = readPalette(true, 16, (name) => (name === "--ink" ? " 15 23 42 " : "red; }"));
  expect(palette).toMatchObject({ isDark: true, fontPx: 16, ink: "#0f172a", line: "#888888" });
});
