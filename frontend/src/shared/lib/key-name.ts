/** What a key is called, from its place on the keyboard (`KeyboardEvent.code`). */

/** `space`: what the space bar is called in the page's language. `KeyB` is B, `Digit1` is 1; the rest can be read as it is. */
export function keyName(code: string, space: string): string {
  if (code === "Space") return space;
  return code.replace(/^(Key|Digit)/, "").replace(/(?<=[a-z])(?=[A-Z0-9])/g, " ");
}
