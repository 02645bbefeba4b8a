/** A snippet cut into what matched and what stands between. */

export interface Piece {
  text: string;
  matched: boolean;
}

/** `matches`: start and end in Unicode characters, ascending, as the server counts them. */
export function pieces(snippet: string, matches: readonly (readonly [number, number])[]): Piece[] {
  const characters = [...snippet];
  const cut: Piece[] = [];
  let at = 0;
  for (const [start, end] of matches) {
    cut.push({ text: characters.slice(at, start).join(""), matched: false });
    cut.push({ text: characters.slice(start, end).join(""), matched: true });
    at = end;
  }
  cut.push({ text: characters.slice(at).join(""), matched: false });
  return cut.filter((piece) => piece.text !== "");
}

/** Without the signs of Markdown, which is not shown as such in two lines. */
export function plain(text: string): string {
  return text.replace(/\*\*|__|`+|^#{1,6} /gm, "");
}
