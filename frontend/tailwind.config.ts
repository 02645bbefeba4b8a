/** The palette by meaning (surface, ink, line, accent); index.css has the values of each theme. */
import type { Config } from "tailwindcss";
import plugin from "tailwindcss/plugin";

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
      spacing: {
        target: "var(--target)", // the least height and width of what is pressed
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
  plugins: [
    plugin((tailwind) => {
      tailwind.addVariant("touch", "@media (any-pointer: coarse)"); // a finger may go there
      tailwind.addVariant("low", "@media (max-height: 480px)"); // a telephone on its side
      tailwind.addVariant("short", "@media (max-height: 260px)"); // a telephone on its side with the keyboard up
    }),
  ],
} satisfies Config;
