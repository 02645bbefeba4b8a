/** The terms that are likely to be said. */
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/settings/store";

import { termsOf } from "./vocabulary";

export function VocabularyField() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const [typed, setTyped] = useState(settings.vocabulary.join("\n"));
  const id = useId();
  const { dropped } = termsOf(typed);
  return (
    <div className="grid gap-1.5 sm:grid-cols-[14rem_1fr] sm:gap-4">
      <label htmlFor={id} className="text-sm sm:pt-2">
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
            change({ vocabulary: termsOf(event.target.value).terms });
          }}
        />
        <p
          id={`${id}-hint`}
          role={dropped ? "alert" : undefined}
          className={`mt-1 text-xs ${dropped ? "text-warn" : "text-muted"}`}
        >
          {t(dropped ? "settings.tooManyTerms" : "settings.vocabularyHint")}
        </p>
      </div>
    </div>
  );
}
