/** A small conversation with all that a theme colours: texts, a link, code, buttons, signs. */
import { Check, TriangleAlert } from "lucide-react";
import { Trans, useTranslation } from "react-i18next";

export function LookPreview() {
  const { t } = useTranslation();
  return (
    <div className="setting">
      <p className="setting-label" id="look-preview">
        {t("looks.preview")}
      </p>
      <div
        role="group"
        aria-labelledby="look-preview"
        data-testid="look-preview"
        className="min-w-0 space-y-3 rounded-xl border border-line bg-page p-3 text-sm"
      >
        <p className="ml-auto w-fit max-w-full rounded-2xl bg-raised px-4 py-2" data-bubble>
          {t("looks.previewAsk")}
        </p>
        <p>
          <Trans
            t={t}
            i18nKey="looks.previewAnswer"
            components={[<a key="link" href="#/settings" className="text-accent underline" />]}
          />
        </p>
        <Code />
        <p className="flex flex-wrap gap-x-3 text-xs text-muted">
          {t("looks.previewMuted")}
          <Check size={16} aria-hidden className="text-good" />
          <TriangleAlert size={16} aria-hidden className="text-warn" />
        </p>
        <p className="flex flex-wrap items-center gap-2" aria-hidden>
          <span className="button-brand">{t("common.keySend")}</span>
          <span className="button">{t("common.cancel")}</span>
          <span className="rounded-full bg-accent/15 px-2 py-0.5 text-xs text-accent">
            {t("settings.inUse")}
          </span>
        </p>
      </div>
    </div>
  );
}

/** One of each kind of word that code has. */
function Code() {
  return (
    <figure className="code-block">
      <pre dir="ltr" tabIndex={0}>
        <code>
          <span className="block">
            <span className="hljs-comment"># 200 %</span>
          </span>
          <span className="block">
            <span className="hljs-keyword">def</span> <span className="hljs-title">greet</span>(name, times=
            <span className="hljs-number">2</span>):
          </span>
          <span className="block">
            {"    "}
            <span className="hljs-keyword">return</span> times * f
            <span className="hljs-string">"Hi {"{name}"}"</span>
          </span>
        </code>
      </pre>
    </figure>
  );
}
