/** "Hear it again with…": language and engine are chosen, the server listens, and both texts are compared. */
import type { TFunction } from "i18next";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useSpeechEngines } from "@/shared/api/providers";
import type { DictationVersionDetail } from "@/shared/api/types";
import { formatCountdown } from "@/shared/lib/formats";
import { wordError } from "@/shared/lib/notes";
import { namePlace, nameWhat } from "@/shared/lib/provider-names";
import { listLanguages, nameLanguage } from "@/shared/lib/spoken-languages";
import { useSettings } from "@/shared/services";
import { ComparedTexts } from "@/shared/ui/compared-texts";
import { Choice } from "@/shared/ui/fields";
import { Modal } from "@/shared/ui/modal";
import { Notice } from "@/shared/ui/notice";

import { listEngineChoices, suggestLanguage, useRedo } from "./redo";

/** What is there before. */
export interface HeardBefore {
  text: string;
  lang: string | null;
  provider: string | null;
  model: string | null;
}

export interface RedoDialogProps {
  dictationId: string;
  before: HeardBefore;
  /** What to do with the new text, where something can be done with it. */
  use?: { label: string; run: (text: string) => void };
  onClose: () => void;
}

export function RedoDialog({ dictationId, before, use, onClose }: RedoDialogProps) {
  const { t } = useTranslation();
  const { begin, version, end } = useRedo(dictationId);
  const { data } = version;
  const again = (): void => begin.reset();
  const stop = (): void => {
    // What cannot be ended now ends by itself; the text is kept as a version.
    void end().catch(() => undefined);
  };
  const isAsked = begin.data !== undefined;
  const failure = data?.error ?? begin.error ?? (isAsked && data === undefined ? version.error : null);
  return (
    <Modal title={t("redo.title")} onClose={onClose} className="max-w-2xl">
      {!isAsked && (
        <RedoForm before={before} isBusy={begin.isPending} onBegin={(choice) => begin.mutate(choice)} />
      )}
      {failure !== null && (
        <div role="alert">
          <Notice text={wordFailure(t, failure)} onRetry={isAsked ? again : null} />
        </div>
      )}
      {isAsked && failure === null && data?.status !== "done" && <Progress version={data} onStop={stop} />}
      {data?.status === "done" && (
        <Result before={before} version={data} use={use} onAgain={again} onClose={onClose} />
      )}
    </Modal>
  );
}

/** Errors of the server, of the connection, and of this page, which has no words for its own. */
function wordFailure(t: TFunction, failure: object): string {
  if ("code" in failure && typeof failure.code === "string")
    return wordError(t, { ...failure, code: failure.code });
  return t("common.unreachable");
}

interface RedoFormProps {
  before: HeardBefore;
  isBusy: boolean;
  onBegin: (choice: Parameters<ReturnType<typeof useRedo>["begin"]["mutate"]>[0]) => void;
}

function RedoForm({ before, isBusy, onBegin }: RedoFormProps) {
  const { t, i18n } = useTranslation();
  const [{ spokenLangs, showsMocks, vocabulary }] = useSettings();
  const engines = useSpeechEngines().data?.items ?? [];
  const choices = listEngineChoices(engines, showsMocks);
  const nameOf = (at: number): string => {
    const choice = choices[at];
    if (choice === undefined) return "";
    const { engine, model } = choice;
    return `${nameWhat(t, model === "" ? engine : { ...engine, model })}, ${namePlace(t, engine)}`;
  };
  const same = choices.findIndex(
    ({ provider, model }) => provider === before.provider && (before.model ?? "") === model,
  );
  const [lang, setLang] = useState(() => suggestLanguage(before.lang, spokenLangs, i18n.language));
  const [picked, setPicked] = useState<string | null>(null);
  const at = picked ?? (same >= 0 ? String(same) : choices.length > 0 ? "0" : "");
  const chosen = choices[Number(at)];
  const { first, others } = listLanguages(
    chosen?.engine.capabilities.languages ?? null,
    lang === "" ? [] : [lang],
    i18n.language,
  );
  const languages = [...first, ...others].map(({ tag, name }) => [tag, name] as const);
  return (
    <form
      className="settings space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        onBegin({ provider: chosen?.provider ?? "", model: chosen?.model ?? "", lang, vocabulary });
      }}
    >
      <p className="text-sm text-muted">{t("redo.lead")}</p>
      <Choice
        label={t("redo.language")}
        value={lang}
        options={[["", t("settings.anyLang")] as const, ...languages]}
        onChange={setLang}
        {...(before.lang === null
          ? {}
          : { hint: t("redo.languageBefore", { language: nameLanguage(before.lang, i18n.language) }) })}
      />
      <Choice
        label={t("redo.engine")}
        value={at}
        options={choices.map((_, index) => [String(index), nameOf(index)] as const)}
        onChange={setPicked}
      />
      <div className="flex justify-end">
        <button type="submit" className="button-brand min-h-11" disabled={isBusy || choices.length === 0}>
          {t("redo.begin")}
        </button>
      </div>
    </form>
  );
}

function Progress({ version, onStop }: { version: DictationVersionDetail | undefined; onStop: () => void }) {
  const { t } = useTranslation();
  const done = version?.done_ms ?? null;
  const whole = version?.duration_ms ?? null;
  const isKnown = done !== null && whole !== null && whole > 0;
  const label = t("redo.listening");
  return (
    <div className="space-y-3">
      <p role="status" className="text-sm">
        {label}
      </p>
      <progress
        aria-label={label}
        className="h-2 w-full accent-accent"
        {...(isKnown ? { max: whole, value: Math.min(done, whole) } : {})}
      />
      <div className="flex items-center justify-between gap-3">
        <span className="text-xs tabular-nums text-muted">
          {isKnown &&
            t("redo.done", {
              done: formatCountdown(Math.floor(done / 1000)),
              whole: formatCountdown(Math.floor(whole / 1000)),
            })}
        </span>
        <button type="button" className="button min-h-11" onClick={onStop}>
          {t("common.cancel")}
        </button>
      </div>
      <p className="text-xs text-muted">{t("redo.goesOn")}</p>
    </div>
  );
}

interface ResultProps {
  before: HeardBefore;
  version: DictationVersionDetail;
  use: RedoDialogProps["use"] | undefined;
  onAgain: () => void;
  onClose: () => void;
}

function Result({ before, version, use, onAgain, onClose }: ResultProps) {
  const { t } = useTranslation();
  const hasText = version.text.trim() !== "";
  const isSame = hasText && version.text.trim() === before.text.trim();
  const said = !hasText ? t("redo.nothingHeard") : isSame ? t("redo.same") : t("redo.compare");
  return (
    <div className="space-y-4">
      <p role="status" className="text-sm">
        {said}
      </p>
      {hasText && (
        <ComparedTexts
          left={{ title: t("redo.before"), text: before.text, lang: before.lang }}
          right={{ title: t("redo.after"), text: version.text, lang: version.lang }}
        />
      )}
      <div className="flex flex-wrap justify-end gap-2">
        <button type="button" className="button min-h-11" onClick={onAgain}>
          {t("redo.other")}
        </button>
        {hasText && use !== undefined ? (
          <button
            type="button"
            className="button-brand min-h-11"
            onClick={() => {
              use.run(version.text);
              onClose();
            }}
          >
            {use.label}
          </button>
        ) : (
          <button type="button" className="button-brand min-h-11" onClick={onClose}>
            {t("common.close")}
          </button>
        )}
      </div>
    </div>
  );
}
