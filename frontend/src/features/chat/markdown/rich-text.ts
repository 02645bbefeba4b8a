/** A shown answer as HTML for other programs: its words and their formatting, without buttons and classes. */

const DROPPED = "button, figcaption, iframe, .sr-only, script, style";
/** What is kept of the attributes; those of MathML are its meaning. No styles: the page's policy has none. */
const KEPT = new Set(["href", "start", "dir", "colspan", "rowspan", "checked", "type", "disabled"]);

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
    const isKept = (name: string) => (one.closest("math") ? !/^(style|class)$/.test(name) : KEPT.has(name));
    for (const { name } of [...one.attributes]) if (!isKept(name)) one.removeAttribute(name);
  }
  return root.innerHTML;
}
