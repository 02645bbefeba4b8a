/** The entry of the web app: starts the texts, then renders the app. */
import "./index.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App, createAppRoot } from "@/app/app";
import { preloadRecorder } from "@/features/dictation/audio/recording-context";
import { chooseLanguage, startI18n } from "@/i18n/i18n";
import { preloadParts } from "@/shared/ui/lazy-part";

const element = document.getElementById("root");
if (element === null) throw new Error("the page has no #root");

const root = createAppRoot();
const { uiLanguage } = root.services.settings.get();
const render = (): void => {
  createRoot(element).render(
    <StrictMode>
      <App root={root} />
    </StrictMode>,
  );
  void preloadParts();
};
// Texts that do not load: the page is in English, and says so itself.
void startI18n(chooseLanguage(uiLanguage, navigator.languages)).then(render, render);
void preloadRecorder();
