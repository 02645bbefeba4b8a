/** A shown answer as HTML for other programs: its words and their formatting, without buttons and classes. */

const DROPPED = "button, figcaption, iframe, .sr-only, script, style";
/** What is kept of the attributes; those of MathML are its meaning. */
const KEPT = new Set(["href", "start", "dir", "colspan", "rowspan", "checked", "type", "disabled", "style"]);

/** The HTML of the answer around an element. */
export function readFormatted(inside: Element): string {
  const answer = inside.closest("article");
  const parts = [...(answer?.querySelectorAll(".markdown") ?? [])];
  return parts.map((part) => clean(part.cloneNode(true) as Element)).join("\n");
}

function clean(root: Element): string {
  for (const figure of root.querySelectorAll<HTMLElement>("figure[data-source]")) {
    const code = document.createElement("pre");
    code.textContent = figure.dataset.source ?? "";
    figure.replaceWith(code);
  }
  root.querySelectorAll(DROPPED).forEach((one) => one.remove());
  root
    .querySelectorAll("div, figure, pre span, .formula")
    .forEach((one) => one.replaceWith(...one.childNodes));
  for (const one of root.querySelectorAll("*")) {
    if (one.closest("math")) continue;
    for (const { name } of [...one.attributes]) if (!KEPT.has(name)) one.removeAttribute(name);
  }
  return root.innerHTML;
}
