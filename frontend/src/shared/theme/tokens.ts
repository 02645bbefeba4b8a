/** The tokens as types: `make types` makes shared/api/theme-tokens.ts of the lists of the server. */
import { COLOURS, CONTRASTS, DEFAULT_COLOURS, HIGH_CONTRAST } from "../api/theme-tokens";

export type Mode = "light" | "dark";
export type ColourToken = (typeof COLOURS)[number];
/** A colour for each token, written as in a theme file. */
export type Colours = Record<ColourToken, string>;

export const MODES = ["light", "dark"] as const;
export const DEFAULTS: Readonly<Record<Mode, Colours>> = DEFAULT_COLOURS;
export const HIGHEST: Readonly<Record<Mode, Colours>> = HIGH_CONTRAST;

export interface TokenContrast {
  token: ColourToken;
  behind: readonly ColourToken[];
  least: number;
  tint: number;
}

/** Each token that is read or pressed, with what it has to keep. */
export const TOKEN_CONTRASTS: readonly TokenContrast[] = COLOURS.flatMap((token) => {
  const rules: Partial<Record<ColourToken, Omit<TokenContrast, "token">>> = CONTRASTS;
  const rule = rules[token];
  return rule === undefined ? [] : [{ ...rule, token }];
});
