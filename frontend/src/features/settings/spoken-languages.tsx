/** "I speak …": the languages that a person speaks, one or several of them, or any. */
import { Plus, X } from "lucide-react";
import { type ReactNode, useId, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import { isComposing } from "@/shared/lib/keyboard";
import { MAX_SPOKEN_LANGS } from "@/shared/lib/settings";
import { listLanguages, searchLanguages, type SpokenLanguage } from "@/shared/lib/spoken-languages";
import { useSettings } from "@/shared/services";
import { enterList, useRovingFocus } from "@/shared/ui/roving-focus";

/** @param supported primary tags that the engine understands; null for any */
export function SpokenLanguages({ supported }: { supported: readonly string[] | null }) {
  const { t, i18n } = useTranslation();
  const [{ spokenLangs }, change] = useSettings();
  const [isSearching, setSearching] = useState(false);
  const hintId = useId();
  const { first, others } = listLanguages(supported, spokenLangs, i18n.language);
  const toggle = (tag: string): void => {
    const without = spokenLangs.filter((one) => one !== tag);
    const isChosen = without.length < spokenLangs.length;
    change({ spokenLangs: isChosen ? without : [...spokenLangs, tag].slice(0, MAX_SPOKEN_LANGS) });
  };
  const hint = spokenLangs.length === 0 ? "any" : spokenLangs.length === 1 ? "one" : "several";
  return (
    <fieldset aria-describedby={hintId} className="setting">
      <legend>
        <span className="setting-label">{t("settings.speak")}</span>
      </legend>
      <div className="clear-both min-w-0">
        <div className="flex flex-wrap gap-2">
          <Pill isChosen={spokenLangs.length === 0} onChange={() => change({ spokenLangs: [] })}>
            {t("settings.anyLang")}
          </Pill>
          {first.map((language) => (
            <Pill
              key={language.tag}
              isChosen={spokenLangs.includes(language.tag)}
              onChange={() => toggle(language.tag)}
            >
              {language.name}
            </Pill>
          ))}
          {others.length > 0 && (
            <button
              type="button"
              className="button rounded-full"
              aria-expanded={isSearching}
              onClick={() => setSearching(!isSearching)}
            >
              {isSearching ? <X size={15} aria-hidden /> : <Plus size={15} aria-hidden />}
              {t("settings.moreLangs")}
            </button>
          )}
        </div>
        {isSearching && <LanguageSearch languages={others} onChoose={toggle} />}
        <p id={hintId} className="mt-1.5 text-xs text-muted">
          {t(`settings.speakHint.${hint}`)}
        </p>
      </div>
    </fieldset>
  );
}

interface PillProps {
  isChosen: boolean;
  onChange: () => void;
  children: ReactNode;
}

/** A checkbox that looks like a button. */
function Pill({ isChosen, onChange, children }: PillProps) {
  return (
    <label
      className="flex min-h-target cursor-pointer items-center rounded-full border border-line bg-page px-3 py-1 text-sm text-muted
        has-[:checked]:border-accent has-[:checked]:bg-accent/15 has-[:checked]:font-medium has-[:checked]:text-ink
        has-[:focus-visible]:outline has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent"
    >
      <input type="checkbox" className="sr-only" checked={isChosen} onChange={onChange} />
      {children}
    </label>
  );
}

interface LanguageSearchProps {
  languages: readonly SpokenLanguage[];
  onChoose: (tag: string) => void;
}

function LanguageSearch({ languages, onChoose }: LanguageSearchProps) {
  const { t } = useTranslation();
  const field = useRef<HTMLInputElement>(null);
  const list = useRovingFocus<HTMLUListElement>();
  const [typed, setTyped] = useState("");
  /** The button that is chosen leaves the list: the focus goes back to the field. */
  const choose = (tag: string): void => {
    onChoose(tag);
    setTyped("");
    field.current?.focus();
  };
  const found = searchLanguages(languages, typed);
  return (
    <div className="mt-2 rounded-xl border border-line bg-page p-2">
      <input
        ref={field}
        type="search"
        className="field"
        aria-label={t("settings.searchLangs")}
        placeholder={t("settings.searchLangs")}
        value={typed}
        autoFocus
        onChange={({ target }) => setTyped(target.value)}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" && !isComposing(event) && enterList(list.current))
            event.preventDefault();
        }}
      />
      <ul ref={list} className="mt-1 max-h-52 overflow-y-auto" aria-label={t("settings.moreLangs")}>
        {found.map(({ tag, name, ownName }) => (
          <li key={tag}>
            <button
              type="button"
              data-entry
              className="flex min-h-target w-full flex-wrap content-center items-baseline gap-2 rounded-md px-2 py-1.5 text-left text-sm [overflow-wrap:anywhere] hover:bg-raised"
              onClick={() => choose(tag)}
            >
              {name}
              {ownName !== name && (
                <span lang={tag} className="text-xs text-muted">
                  {ownName}
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="px-2 py-1.5 text-sm text-muted">{t("settings.noLang")}</p>}
    </div>
  );
}
