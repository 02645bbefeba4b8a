/** Two texts side by side, or one below the other, with the words marked in which they differ. */
import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";

import { type DiffPart, diffTexts } from "../lib/text-diff";

export interface ComparedText {
  title: string;
  text: string;
  /** Its language, where it is known. */
  lang: string | null;
  /** Below the text. */
  actions?: ReactNode;
}

export function ComparedTexts({ left, right }: { left: ComparedText; right: ComparedText }) {
  const [leftParts, rightParts] = useMemo(() => diffTexts(left.text, right.text), [left.text, right.text]);
  return (
    <div className="grid gap-3 sm:grid-cols-2">
      <Side {...left} parts={leftParts} look="bg-danger/15 decoration-danger" />
      <Side {...right} parts={rightParts} look="bg-accent/15 decoration-accent" />
    </div>
  );
}

function Side({
  title,
  text,
  lang,
  actions,
  parts,
  look,
}: ComparedText & { parts: readonly DiffPart[]; look: string }) {
  const { t } = useTranslation();
  return (
    <section aria-label={title} className="min-w-0 rounded-xl border border-line bg-page p-3">
      <h3 className="mb-1 text-xs font-medium text-muted">{title}</h3>
      <p
        className="max-h-[40dvh] overflow-y-auto whitespace-pre-wrap break-words text-sm leading-6"
        lang={lang ?? undefined}
        dir="auto"
      >
        {text.trim() === "" ? (
          <span className="text-muted">{t("redo.nothing")}</span>
        ) : (
          parts.map((part, at) =>
            part.isSame ? (
              part.text
            ) : (
              <mark key={at} className={`rounded text-ink underline decoration-2 underline-offset-4 ${look}`}>
                {part.text}
              </mark>
            ),
          )
        )}
      </p>
      {actions && <div className="mt-2 flex flex-wrap items-center gap-2">{actions}</div>}
    </section>
  );
}
