/** Markdown of models. Until the part that formats it is loaded, the text as it was written. */
import { memo } from "react";
import { useTranslation } from "react-i18next";

import { lazyPart, type StandInProps } from "@/shared/ui/lazy-part";

import "./markdown.css";

/** Loaded with the first conversation, so that it is there before an answer is. */
export const FormattedText = lazyPart(
  async () => (await import("./formatted-blocks")).FormattedBlocks,
  PlainText,
);

/** @param isLive more text is to come: a cursor stands at the end */
export const Markdown = memo(function Markdown({ text, isLive = false }: { text: string; isLive?: boolean }) {
  return (
    <div className={isLive ? "markdown markdown-live" : "markdown"}>
      <FormattedText text={text} isLive={isLive} />
    </div>
  );
});

function PlainText({ text, retry }: { text: string; isLive?: boolean } & StandInProps) {
  const { t } = useTranslation();
  return (
    <>
      {text !== "" && retry !== null && (
        <button type="button" className="button-quiet min-h-11 text-xs" onClick={retry}>
          {t("chat.unformatted")}
        </button>
      )}
      {text !== "" && (
        <p dir="auto" className="whitespace-pre-wrap">
          {text}
        </p>
      )}
    </>
  );
}
