/** The entry of the web app: starts the texts, then renders the app. */
import "./index.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App, createAppRoot } from "@/app/app";
import { preloadRecorder } from "@/features/dictation/audio/recording-context";
import { chooseLanguage, startI18n } from "@/i18n/i18n";

const element = document.getElementById("root");
if (element === null) throw new Error("the page has no #root");

const root = createAppRoot();
const { uiLanguage } = root.services.settings.get();
void startI18n(chooseLanguage(uiLanguage, navigator.languages)).then(() =>
  createRoot(element).render(
    <StrictMode>
      <App root={root} />
    </StrictMode>,
  ),
);
void preloadRecorder();
