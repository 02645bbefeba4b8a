/** The entry of the web app: starts the texts, then renders the app. */
import "./index.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App, createAppRoot } from "@/app/app";
import { preloadRecorder } from "@/features/dictation/audio/recording-context";
import { chooseLanguage, NO_TEXTS, startInAnyLanguage } from "@/i18n/i18n";
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
/** Without any texts there is no page, but a sentence in each language. */
const apologize = (): void => {
  element.setAttribute("role", "alert");
  element.replaceChildren(
    ...Object.entries(NO_TEXTS).map(([lang, text]) =>
      Object.assign(document.createElement("p"), { lang, className: "p-4", textContent: text }),
    ),
  );
};
// Texts that do not load: the page is in another language, and says so itself.
void startInAnyLanguage(chooseLanguage(uiLanguage, navigator.languages)).then(render, apologize);
void preloadRecorder();
