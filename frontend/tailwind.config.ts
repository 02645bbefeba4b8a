/** The palette by meaning (surface, ink, line, accent); docs/themes.md says what each token is for. */
import type { Config } from "tailwindcss";
import plugin from "tailwindcss/plugin";

/** Distances that the density of the page changes; what is as large as a finger or a line stays. */
const dense = (distances: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(distances).map(([name, distance]) => [
      name,
      distance.endsWith("rem") ? `calc(${distance} * var(--space))` : distance,
    ]),
  );

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
        control: variable("control"), // the edge of what is filled in or switched, 3:1
        danger: variable("danger"),
        warn: variable("warn"),
        good: variable("good"),
        "fill-end": variable("fill-end"), // the other end of the brand's gradient
        "on-fill": variable("on-fill"), // text on it
        "code-page": variable("code-page"),
        "code-ink": variable("code-ink"),
      },
      spacing: {
        target: "var(--target)", // the least height and width of what is pressed
      },
      backgroundImage: {
        brand: "linear-gradient(135deg, rgb(var(--fill)), rgb(var(--fill-end)))",
      },
      fontFamily: {
        sans: ["var(--font-text)"],
        mono: ["var(--font-mono)"],
      },
      borderRadius: {
        sm: "calc(var(--radius) * 0.25)",
        DEFAULT: "calc(var(--radius) * 0.5)",
        md: "calc(var(--radius) * 0.75)",
        lg: "var(--radius)",
        xl: "calc(var(--radius) * 1.5)",
        "2xl": "calc(var(--radius) * 2)",
      },
      padding: (utils) => dense(utils.theme("spacing") as Record<string, string>),
      margin: (utils) => dense(utils.theme("spacing") as Record<string, string>),
      gap: (utils) => dense(utils.theme("spacing") as Record<string, string>),
      space: (utils) => dense(utils.theme("spacing") as Record<string, string>),
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
