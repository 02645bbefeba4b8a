/** In the settings: conversations of other products, brought by a file that is picked or dropped. */
import { FileUp } from "lucide-react";
import { type DragEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";

import { ApiError } from "@/shared/api/client";
import { wordError } from "@/shared/lib/notes";
import { Section } from "@/shared/ui/fields";
import { Notice } from "@/shared/ui/notice";

import { ImportGuide } from "./import-guide";
import { ImportItem } from "./import-item";
import { isUnderWay, useBeginImport, useImports } from "./imports";

/** Imports that are shown; the server keeps more. */
const SHOWN = 5;

export function ImportSection() {
  const { t } = useTranslation();
  const { data = [], error, refetch } = useImports();
  return (
    <Section title={t("importing.title")}>
      <p className="text-sm text-muted">{t("importing.about")}</p>
      <FileDrop isBusy={data.some(isUnderWay)} />
      <ImportGuide />
      {error && (
        <div role="alert">
          <Notice text={wordError(t, asApiError(error))} onRetry={() => void refetch()} />
        </div>
      )}
      {data.length > 0 && (
        <ul aria-label={t("importing.list")} className="divide-y divide-line rounded-xl border border-line">
          {data.slice(0, SHOWN).map((each) => (
            <ImportItem key={each.id} item={each} />
          ))}
        </ul>
      )}
    </Section>
  );
}

/** A field for the file, which can also be dropped on it. */
function FileDrop({ isBusy }: { isBusy: boolean }) {
  const { t } = useTranslation();
  const hintId = useId();
  const begin = useBeginImport();
  const [isOver, setIsOver] = useState(false);
  const isBlocked = isBusy || begin.isPending;
  const take = (files: FileList | null): void => {
    const file = files?.[0];
    if (file !== undefined && !isBlocked) begin.mutate(file);
  };
  const drag = (over: boolean) => (event: DragEvent) => {
    event.preventDefault();
    setIsOver(over);
  };
  return (
    <div>
      <label
        onDragOver={drag(true)}
        onDragLeave={drag(false)}
        onDrop={(event) => {
          drag(false)(event);
          take(event.dataTransfer.files);
        }}
        className={`flex min-h-24 flex-col items-center justify-center gap-2 rounded-xl border-2 border-dashed p-4 text-center text-sm focus-within:outline focus-within:outline-2 focus-within:outline-accent ${
          isOver ? "border-accent bg-accent/10" : "border-line"
        } ${isBlocked ? "opacity-60" : "cursor-pointer hover:border-accent"}`}
      >
        <FileUp size={20} aria-hidden className="text-muted" />
        <span className="font-medium">{t(begin.isPending ? "importing.sending" : "importing.choose")}</span>
        <span id={hintId} className="text-xs text-muted">
          {t("importing.chooseHint")}
        </span>
        <input
          type="file"
          accept=".json,.zip,application/json,application/zip"
          className="sr-only"
          aria-describedby={hintId}
          disabled={isBlocked}
          onChange={(event) => {
            take(event.target.files);
            event.target.value = "";
          }}
        />
      </label>
      {begin.error && (
        <div role="alert">
          <Notice text={t("importing.failed", { reason: wordError(t, asApiError(begin.error)) })} />
        </div>
      )}
    </div>
  );
}

function asApiError(error: Error): ApiError {
  return error instanceof ApiError ? error : ApiError.unreachable();
}
