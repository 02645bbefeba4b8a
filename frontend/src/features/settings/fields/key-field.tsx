/** The key that is held to speak. */
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { keyName } from "@/shared/lib/key-name";
import { useSettings } from "@/shared/settings/store";

/** Keys that a page cannot have, or that would shut a person in. */
const NOT_THESE = new Set([
  "Escape",
  "Tab",
  "Enter",
  "NumpadEnter",
  "MetaLeft",
  "MetaRight",
  "Unidentified",
  "",
]);

export function KeyField() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const [listening, setListening] = useState(false);
  return (
    <div className="flex items-center justify-between gap-4">
      <span id="push-to-talk" className="text-sm">
        {t("settings.pushToTalk")}
      </span>
      <button
        type="button"
        className={`button min-w-28 ${listening ? "border-accent text-accent" : ""}`}
        aria-describedby="push-to-talk"
        onClick={() => setListening(true)}
        onBlur={() => setListening(false)}
        onKeyDown={(event) => {
          if (!listening) return;
          if (event.code === "Tab") return;
          event.preventDefault();
          event.stopPropagation();
          setListening(false);
          if (!NOT_THESE.has(event.code)) change({ pushToTalkKey: event.code });
        }}
        onKeyUp={(event) => (listening || event.code === "Space" ? event.preventDefault() : undefined)}
      >
        <kbd className="font-sans">
          {listening ? t("settings.pressKey") : keyName(settings.pushToTalkKey, t("common.keySpace"))}
        </kbd>
      </button>
    </div>
  );
}
