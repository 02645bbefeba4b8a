/** Colours as numbers: how they are written, their contrast, and how one is moved until it has enough. */

/** Red, green and blue, each 0 to 255. */
export type Channels = readonly [number, number, number];

export const BLACK: Channels = [0, 0, 0];
export const WHITE: Channels = [255, 255, 255];

const HEX = /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i;
const RGB = /^rgb\( *(\d{1,3})(?: *, *| +)(\d{1,3})(?: *, *| +)(\d{1,3}) *\)$/;

/** The channels of `#rgb`, `#rrggbb` or `rgb(1, 2, 3)`; null for anything else. */
export function parseColour(text: string): Channels | null {
  if (HEX.test(text)) {
    const digits = text.length === 7 ? text.slice(1) : text.slice(1).replace(/./g, "$&$&");
    const part = (at: number) => parseInt(digits.slice(at, at + 2), 16);
    return [part(0), part(2), part(4)];
  }
  const [, ...parts] = RGB.exec(text) ?? [];
  const [red = 256, green = 256, blue = 256] = parts.map(Number);
  return Math.max(red, green, blue) <= 255 ? [red, green, blue] : null;
}

export function formatColour(colour: Channels): string {
  return `#${colour.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}

/** @param share how much of `over`, from 0 to 1 */
export function mix(under: Channels, over: Channels, share: number): Channels {
  const channel = (at: 0 | 1 | 2) => Math.floor(over[at] * share + under[at] * (1 - share) + 0.5);
  return [channel(0), channel(1), channel(2)];
}

/** The contrast ratio, from 1 to 21 (WCAG 2.2). */
export function measureContrast(one: Channels, other: Channels): number {
  const [first, second] = [measureLuminance(one), measureLuminance(other)];
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
}

function measureLuminance([red, green, blue]: Channels): number {
  return 0.2126 * linearize(red) + 0.7152 * linearize(green) + 0.0722 * linearize(blue);
}

function linearize(channel: number): number {
  const share = channel / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

/** What a colour has to keep to what is behind it. */
export interface ContrastRule {
  least: number;
  /** How much of the colour itself also lies over what is behind it. */
  tint: number;
}

/** Whether a colour has the contrast of a rule to each of some colours. */
export function hasContrast(colour: Channels, behind: readonly Channels[], { least, tint }: ContrastRule) {
  return behind.every(
    (under) =>
      measureContrast(colour, under) >= least &&
      (tint === 0 || measureContrast(colour, mix(under, colour, tint)) >= least),
  );
}

const STEPS = 128;

/**
 * The colour itself if it has the contrast of a rule, else one as near to it as possible on its way to black
 * or to white. Where even those have too little, the better one of them.
 */
export function adjust(colour: Channels, behind: readonly Channels[], rule: ContrastRule): Channels {
  for (let step = 0; step <= STEPS; step += 1)
    for (const end of [BLACK, WHITE]) {
      const moved = mix(colour, end, step / STEPS);
      if (hasContrast(moved, behind, rule)) return moved;
    }
  return chooseOver(behind);
}

/** Black or white, whichever is easier to read over all of these; over one colour it has 4.58:1 or more. */
export function chooseOver(behind: readonly Channels[]): Channels {
  const least = (colour: Channels) => Math.min(...behind.map((under) => measureContrast(colour, under)));
  return least(WHITE) >= least(BLACK) ? WHITE : BLACK;
}
