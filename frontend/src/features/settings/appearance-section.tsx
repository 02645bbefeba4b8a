/** How the page looks: what is chosen applies at once, to the page and to the preview. */
import { useId, useMemo } from "react";
import { useTranslation } from "react-i18next";

import { TEXT_SIZES } from "@/shared/lib/settings";
import { useSettings } from "@/shared/services";
import { type LookSource, resolveColours } from "@/shared/theme/look";
import { findSource, readFile, readServerTheme } from "@/shared/theme/own-look";
import { CODE_THEMES, type CodeThemeId, type PaletteId, PALETTES } from "@/shared/theme/palettes";
import { Choice, Section, Segments } from "@/shared/ui/fields";

import { LookPreview } from "./look-preview";
import { ThemeFileControls } from "./theme-file-controls";

const PALETTE_IDS = Object.keys(PALETTES) as PaletteId[];
const CODE_THEME_IDS = Object.keys(CODE_THEMES) as CodeThemeId[];
const FONT_IDS = ["own", "system", "serif", "readable", "mono"] as const;

export function AppearanceSection() {
  const { t } = useTranslation();
  return (
    <Section title={t("settings.appearance")}>
      <LanguageAndMode />
      <PaletteChoice />
      <AccentChoice />
      <TextChoices />
      <LookPreview />
      <ThemeFileControls />
    </Section>
  );
}

function LanguageAndMode() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  return (
    <>
      <Segments
        label={t("settings.uiLanguage")}
        value={settings.uiLanguage}
        options={[
          ["", t("settings.browserLanguage")],
          ["en", "English"],
          ["es", "Español"],
        ]}
        onChange={(uiLanguage) => change({ uiLanguage })}
      />
      <Segments
        label={t("settings.theme")}
        value={settings.theme}
        options={[
          ["system", t("settings.system")],
          ["light", t("settings.light")],
          ["dark", t("settings.dark")],
        ]}
        onChange={(theme) => change({ theme })}
      />
      <Segments
        label={t("looks.contrast")}
        value={settings.contrast}
        options={[
          ["system", t("settings.system")],
          ["normal", t("looks.contrastNormal")],
          ["high", t("looks.contrastHigh")],
        ]}
        onChange={(contrast) => change({ contrast })}
      />
    </>
  );
}

/** The server's theme first, if it has one; one's own last, once there is one. */
function PaletteChoice() {
  const { t } = useTranslation();
  const [{ palette, ownTheme }, change] = useSettings();
  const name = useId();
  const server = useMemo(() => readServerTheme(), []);
  const own = useMemo(() => readFile(ownTheme), [ownTheme]);
  const options = [
    ...(server ? [["", t("looks.serverTheme", { name: server.name })] as const] : []),
    ...PALETTE_IDS.map((id) => [id, t(`looks.palettes.${id}`)] as const),
    ...(own ? [["own", t("looks.ownTheme", { name: own.name })] as const] : []),
  ];
  const known = options.some(([id]) => id === palette) ? palette : (options[0]?.[0] ?? "");
  return (
    <fieldset className="setting">
      <legend>
        <span className="setting-label">{t("looks.palette")}</span>
      </legend>
      <div className="clear-both flex flex-wrap gap-2">
        {options.map(([id, label]) => (
          <label
            key={id}
            className="flex min-h-target max-w-full cursor-pointer items-center gap-2 rounded-lg border border-line bg-page px-3 py-1.5 text-sm has-[:checked]:border-accent has-[:checked]:font-medium has-[:checked]:ring-1 has-[:checked]:ring-accent has-[:focus-visible]:outline has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-offset-2 has-[:focus-visible]:outline-accent"
          >
            <input
              type="radio"
              className="sr-only"
              name={name}
              value={id}
              checked={id === known}
              onChange={() => change({ palette: id })}
            />
            <Swatch palette={id} ownTheme={ownTheme} />
            <span className="min-w-0 break-words">{label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Three colours of a palette, in the mode that is shown. */
function Swatch({ palette, ownTheme }: { palette: string; ownTheme: string }) {
  const [{ theme }] = useSettings();
  const colours = useMemo(() => {
    const isDark = theme === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
    const nothing = { accent: "", codeTheme: "", textSize: "", density: "", font: "" };
    const source: LookSource = findSource({ ...nothing, palette, ownTheme });
    const { page, raised, fill } = resolveColours(source, isDark ? "dark" : "light").colours;
    return [page, raised, fill];
  }, [palette, ownTheme, theme]);
  return (
    <svg aria-hidden viewBox="0 0 30 20" className="h-5 w-[30px] shrink-0 rounded border border-control">
      {colours.map((colour, index) => (
        <rect key={index} x={index * 10} width="10" height="20" fill={colour} />
      ))}
    </svg>
  );
}

function AccentChoice() {
  const { t } = useTranslation();
  const [{ accent, palette, ownTheme }, change] = useSettings();
  const id = useId();
  const usual = useMemo(() => {
    const nothing = { accent: "", codeTheme: "", textSize: "", density: "", font: "" };
    return resolveColours(findSource({ ...nothing, palette, ownTheme }), "light").colours.fill;
  }, [palette, ownTheme]);
  return (
    <div className="setting">
      <label htmlFor={id} className="setting-label">
        {t("looks.accent")}
      </label>
      <div>
        <span className="flex flex-wrap items-center gap-2">
          <input
            id={id}
            type="color"
            aria-describedby={`${id}-hint`}
            value={accent || usual}
            onChange={(event) => change({ accent: event.target.value.toLowerCase() })}
            className="h-11 w-16 cursor-pointer rounded-lg border border-control bg-page p-1"
          />
          {accent !== "" && (
            <button type="button" className="button" onClick={() => change({ accent: "" })}>
              {t("looks.accentOfTheme")}
            </button>
          )}
        </span>
        <p id={`${id}-hint`} className="mt-1 text-xs text-muted">
          {t("looks.accentHint")}
        </p>
      </div>
    </div>
  );
}

function TextChoices() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  return (
    <>
      <Choice
        label={t("looks.textSize")}
        value={settings.textSize}
        options={TEXT_SIZES.map((size) => [
          size,
          size === "" ? t("looks.asTheme") : t("looks.percent", { percent: size }),
        ])}
        onChange={(textSize) => change({ textSize })}
        hint={t("looks.textSizeHint")}
      />
      <Choice
        label={t("looks.font")}
        value={settings.font}
        options={[["", t("looks.asTheme")], ...FONT_IDS.map((id) => [id, t(`looks.fonts.${id}`)] as const)]}
        onChange={(font) => change({ font })}
      />
      <Segments
        label={t("looks.density")}
        value={settings.density}
        options={[
          ["", t("looks.asTheme")],
          ["comfortable", t("looks.comfortable")],
          ["compact", t("looks.compact")],
        ]}
        onChange={(density) => change({ density })}
      />
      <Choice
        label={t("looks.codeTheme")}
        value={settings.codeTheme}
        options={[
          ["", t("looks.asTheme")],
          ...CODE_THEME_IDS.map((id) => [id as string, t(`looks.codeThemes.${id}`)] as const),
        ]}
        onChange={(codeTheme) => change({ codeTheme })}
      />
    </>
  );
}
