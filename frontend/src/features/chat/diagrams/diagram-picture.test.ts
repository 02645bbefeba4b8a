/** A picture that is kept loads nothing and leads nowhere. */
import { expect, it } from "vitest";

import { disarm, dropAddresses } from "./diagram-picture";

it.each([
  "fill:url(https://evil.example/a)",
  "fill:URL( 'https://evil.example/a' )",
  "fill:u\\72l(https://evil.example/a)",
  "background:url(//evil.example/a",
  "background:image-set('https://evil.example/a' 1x)",
  "background:-webkit-image-set('https://evil.example/a' 1x)",
  "background:image('https://evil.example/a')",
  "background:cross-fade('https://evil.example/a', red)",
  "@import 'https://evil.example/a';",
  "@font-face { src: url(https://evil.example/a) }",
  "@font-face { src: src('https://evil.example/a') }",
])("%s loads nothing", (css) => {
  expect(dropAddresses(css)).not.toMatch(/url\(|(?<!none\()["']https|import|image|src\(/i);
});

it("keeps colours and the parts of the same drawing", () => {
  const css =
    "#a { fill:#fff; marker-end:url(#arrow); filter:url('#shadow') } @keyframes b { to { opacity:1 } }";
  expect(dropAddresses(css)).toBe(css);
});

it("takes away what acts or leads anywhere", () => {
  document.body.innerHTML = `<svg onload="x()"><style>a{fill:url(https://evil.example)}</style>
    <a href="https://evil.example" xlink:href="javascript:x()"><text onclick="x()">Words</text></a>
    <use href="#arrow"/><image href="https://evil.example/a.png"/><set attributeName="href" to="javascript:x()"/>
    <rect fill="url(https://evil.example)" stroke="url(#line)"/><script>x()</script></svg>`;
  const drawing = document.querySelector("svg")!;
  disarm(drawing);
  const text = drawing.outerHTML;
  expect(text).not.toMatch(/evil|javascript|onload|onclick|<script|<set/);
  expect(text).toContain("Words");
  expect(text).toContain('href="#arrow"');
  expect(text).toContain('stroke="url(#line)"');
});
