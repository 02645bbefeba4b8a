/** The palette by meaning (surface, ink, line, accent); index.css has the values of each theme. */
import type { Config } from "tailwindcss";

const variable = (name: string) => `rgb(var(--${name}) / <alpha-value>)`;

export default {
  content: ["./index.html", "./src/**/*.{ts,tsx}"],
  darkMode: "class",
  theme: {
    extend: {
      colors: {
        page: variable("page"), // behind everything
        surface: variable("surface"), // cards, sidebar
        raised: variable("raised"), // hover, menus, own messages
        line: variable("line"), // borders
        ink: variable("ink"), // text
        muted: variable("muted"), // secondary text, still 4.5:1 on page and surface
        accent: variable("accent"), // links, focus, chosen
        danger: variable("danger"),
        warn: variable("warn"),
        good: variable("good"),
      },
      backgroundImage: {
        brand: "linear-gradient(135deg, #4f46e5, #7c3aed)", // white text on it is 4.5:1 all over
      },
      fontFamily: {
        sans: ["Geist", "Geist fallback", "system-ui", "sans-serif"],
        mono: ["Geist Mono", "ui-monospace", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace"],
      },
    },
  },
} satisfies Config;
