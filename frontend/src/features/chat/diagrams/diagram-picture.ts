/** Takes from a drawing, and so from the file that is kept, what acts, leads anywhere or loads something. */

const ACTING =
  "script, iframe, object, embed, form, input, audio, video, set, animate, animateMotion, animateTransform";

export function disarm(drawing: Element): void {
  drawing.querySelectorAll(ACTING).forEach((one) => one.remove());
  for (const one of [drawing, ...drawing.querySelectorAll("*")]) {
    for (const { name, value } of [...one.attributes])
      if (/^on/i.test(name) || (/(?:^|:)(?:href|src|srcset)$/i.test(name) && !value.startsWith("#")))
        one.removeAttribute(name);
      else if (MAY_LOAD.test(value)) one.setAttribute(name, dropAddresses(value));
    if (one.localName === "style") one.textContent = dropAddresses(one.textContent ?? "");
  }
}

const MAY_LOAD = /[\\@]|url|image|src|cross-fade/i;

/** A style without addresses: a file that is opened later tells nobody. Parts of the same drawing stay. */
export function dropAddresses(css: string): string {
  return css
    .replaceAll("\\", "") // what is written with escapes is not looked for
    .replace(/@(?:import|font-face|namespace)[^;{}]*/gi, "")
    .replace(/\burl\(\s*(?!["']?#)[^)]*\)?/gi, "none")
    .replace(/(?:image-set|\bimage|\bsrc|cross-fade)\(/gi, "none(");
}
