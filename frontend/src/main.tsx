/** Starts the page. */
import "./index.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "@/app/app";
import { languageOf, startI18n } from "@/i18n/i18n";
import { settingsStore } from "@/shared/settings/store";

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no #root");

void startI18n(languageOf(settingsStore.get().uiLanguage, navigator.languages)).then(() =>
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  ),
);
