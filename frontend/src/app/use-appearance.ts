/** Puts the chosen theme and language on the page, and follows the system where that was chosen. */
import { useEffect } from "react";

import { languageOf, startI18n } from "@/i18n/i18n";
import { useSettings } from "@/shared/settings/store";

export function useAppearance(): void {
  const [{ theme, uiLanguage }] = useSettings();
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const show = () => {
      const dark = theme === "system" ? system.matches : theme === "dark";
      document.documentElement.classList.toggle("dark", dark);
    };
    show();
    system.addEventListener("change", show);
    return () => system.removeEventListener("change", show);
  }, [theme]);
  useEffect(() => void startI18n(languageOf(uiLanguage, navigator.languages)), [uiLanguage]);
}
