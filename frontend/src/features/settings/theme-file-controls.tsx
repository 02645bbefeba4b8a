/** A theme as a file: opened, saved, taken away; and the way back to the look of a first visit. */
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { saveFile } from "@/shared/api/download";
import { MOST_BYTES } from "@/shared/api/theme-tokens";
import { DEFAULTS, type Settings } from "@/shared/lib/settings";
import { useServices, useSettings } from "@/shared/services";
import { resolveColours } from "@/shared/theme/look";
import { findSource } from "@/shared/theme/own-look";
import { formatThemeFile, parseThemeFile, type Shape, ThemeFileError } from "@/shared/theme/theme-file";
import { MODES } from "@/shared/theme/tokens";

type Outcome = { kind: "opened"; name: string; moved: string[] } | { kind: "refused"; error: ThemeFileError };

/** All that the look of the page is made of. */
const { theme, contrast, palette, accent, codeTheme, textSize, density, font, ownTheme } = DEFAULTS;
const FIRST_LOOK = { theme, contrast, palette, accent, codeTheme, textSize, density, font, ownTheme };

export function ThemeFileControls() {
  const { t } = useTranslation();
  const { toasts } = useServices();
  const [settings, change] = useSettings();
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const open = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    const opened = await openTheme(file);
    setOutcome(opened.outcome);
    if (opened.text !== null) change({ palette: "own", ownTheme: opened.text, accent: "", codeTheme: "" });
  };
  const reset = (): void => {
    change(FIRST_LOOK);
    setOutcome(null);
    toasts.show({ text: t("looks.resetDone"), tone: "info" });
  };
  return (
    <div className="setting">
      <p className="setting-label">{t("looks.file")}</p>
      <div className="min-w-0">
        <p className="mb-2 text-xs text-muted sm:pt-2.5">{t("looks.fileHint")}</p>
        <input
          ref={input}
          type="file"
          accept=".json,application/json"
          aria-label={t("looks.open")}
          className="hidden"
          onChange={(event) => {
            void open(event.target.files?.[0]);
            event.target.value = ""; // the same file can be opened again once it was changed
          }}
        />
        <div className="flex flex-wrap gap-2">
          <button type="button" className="button" onClick={() => input.current?.click()}>
            {t("looks.open")}
          </button>
          <button type="button" className="button" onClick={() => saveTheme(settings)}>
            {t("looks.save")}
          </button>
          {settings.ownTheme !== "" && (
            <button
              type="button"
              className="button"
              onClick={() => change({ ownTheme: "", ...(settings.palette === "own" && { palette: "" }) })}
            >
              {t("looks.remove")}
            </button>
          )}
          <button type="button" className="button" onClick={reset}>
            {t("looks.reset")}
          </button>
        </div>
        <OutcomeText outcome={outcome?.kind === "opened" && settings.palette !== "own" ? null : outcome} />
      </div>
    </div>
  );
}

function OutcomeText({ outcome }: { outcome: Outcome | null }) {
  const { t } = useTranslation();
  if (outcome === null) return null;
  if (outcome.kind === "refused") {
    const { problem, place, expected } = outcome.error;
    return (
      <p role="alert" className="mt-2 break-words text-sm text-danger">
        {place !== "" && <code className="font-mono">{place}: </code>}
        {t(`looks.problems.${problem}`, { expected })}
      </p>
    );
  }
  return (
    <p role="status" className="mt-2 break-words text-sm">
      {t("looks.opened", { name: outcome.name })}
      {outcome.moved.length > 0 && ` ${t("looks.moved", { tokens: outcome.moved.join(", ") })}`}
    </p>
  );
}

const NO_CHOICES = { palette: "own", accent: "", codeTheme: "", textSize: "", density: "", font: "" };

async function openTheme(file: File): Promise<{ outcome: Outcome; text: string | null }> {
  try {
    if (file.size > MOST_BYTES) throw new ThemeFileError("too_big", "", String(MOST_BYTES));
    const text = await file.text();
    const read = parseThemeFile(text);
    const source = { choices: NO_CHOICES, file: read };
    const moved = MODES.flatMap((mode) =>
      resolveColours(source, mode)
        .moved.filter((token) => read[mode]?.[token] !== undefined)
        .map((token) => `${mode}.${token}`),
    );
    return { outcome: { kind: "opened", name: read.name, moved }, text };
  } catch (error) {
    const refusal = error instanceof ThemeFileError ? error : new ThemeFileError("not_json");
    return { outcome: { kind: "refused", error: refusal }, text: null };
  }
}

/** Saves what is shown: each colour as it is after all choices and adjustments. */
function saveTheme(settings: Settings): void {
  const source = findSource(settings);
  const shape: Shape = {
    ...source.file?.shape,
    ...(settings.textSize !== "" && { "text-size": `${settings.textSize}%` }),
    ...(settings.density !== "" && { space: settings.density === "compact" ? "0.75" : "1" }),
    ...(settings.font !== "" && { font: settings.font }),
  };
  const text = formatThemeFile({
    name: source.file?.name ?? "PROMPTer",
    light: resolveColours(source, "light").colours,
    dark: resolveColours(source, "dark").colours,
    shape,
  });
  saveFile(new Blob([text], { type: "application/json" }), "prompter-theme.json");
}
