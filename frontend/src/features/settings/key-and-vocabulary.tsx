/** Two settings of speech with fields of their own: the key to hold, and the vocabulary. */
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";

import type { SttProvider } from "@/shared/api/types";
import { nameKey } from "@/shared/lib/keyboard";
import { nameWhat } from "@/shared/lib/provider-names";
import { useSettings } from "@/shared/services";

import { parseVocabulary } from "./vocabulary";

/** Keys that a page does not get, or that a keyboard user needs for other things. */
const RESERVED_KEYS = new Set([
  "Escape",
  "Tab",
  "Enter",
  "NumpadEnter",
  "MetaLeft",
  "MetaRight",
  "Unidentified",
  "",
]);

export function PushToTalkField() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const [isListening, setListening] = useState(false);
  return (
    <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1.5">
      <span id="push-to-talk" className="text-sm">
        {t("settings.pushToTalk")}
      </span>
      <button
        type="button"
        className={`button min-w-28 ${isListening ? "border-accent text-accent" : ""}`}
        aria-describedby="push-to-talk"
        onClick={() => setListening(true)}
        onBlur={() => setListening(false)}
        onKeyDown={(event) => {
          if (!isListening) return;
          if (event.code === "Tab") return;
          event.preventDefault();
          event.stopPropagation();
          setListening(false);
          if (!RESERVED_KEYS.has(event.code)) change({ pushToTalkKey: event.code });
        }}
        onKeyUp={(event) => (isListening || event.code === "Space" ? event.preventDefault() : undefined)}
      >
        <kbd className="font-sans">
          {isListening ? t("settings.pressKey") : nameKey(settings.pushToTalkKey, t)}
        </kbd>
      </button>
    </div>
  );
}

/** @param engine what hears; null where it is not known */
export function VocabularyField({ engine }: { engine: SttProvider | null }) {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const [typed, setTyped] = useState(settings.vocabulary.join("\n"));
  const id = useId();
  const { hasDropped } = parseVocabulary(typed);
  const hint =
    engine === null
      ? t("settings.vocabularyUnknown")
      : t(engine.capabilities.vocabulary ? "settings.vocabularyHint" : "settings.vocabularyIgnored", {
          engine: nameWhat(t, engine),
        });
  return (
    <div className="setting">
      <label htmlFor={id} className="setting-label">
        {t("settings.vocabulary")}
      </label>
      <div>
        <textarea
          id={id}
          rows={3}
          placeholder={t("settings.vocabularyExample")}
          className="field resize-y"
          aria-describedby={`${id}-hint`}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            change({ vocabulary: parseVocabulary(event.target.value).terms });
          }}
        />
        <p
          id={`${id}-hint`}
          role={hasDropped ? "alert" : undefined}
          className={`mt-1 text-xs ${hasDropped ? "text-warn" : "text-muted"}`}
        >
          {hasDropped ? t("settings.tooManyTerms") : hint}
        </p>
      </div>
    </div>
  );
}
