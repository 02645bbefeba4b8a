/** Where each product gives its conversations away, step by step. */
import { useTranslation } from "react-i18next";

const PRODUCTS = [
  ["ChatGPT", "importing.fromChatgpt"],
  ["Claude", "importing.fromClaude"],
  ["Open WebUI", "importing.fromOpenWebui"],
  ["LibreChat", "importing.fromLibrechat"],
  ["Chatbot UI", "importing.fromChatbotUi"],
  ["PROMPTer", "importing.fromPrompter"],
] as const;

export function ImportGuide() {
  const { t } = useTranslation();
  return (
    <details className="text-sm">
      <summary className="w-fit cursor-pointer py-1 touch:py-3">{t("importing.where")}</summary>
      <dl className="mt-2 space-y-2">
        {PRODUCTS.map(([product, text]) => (
          <div key={product} className="gap-4 sm:flex">
            <dt className="shrink-0 font-medium sm:w-28" translate="no">
              {product}
            </dt>
            <dd className="text-muted">{t(text)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
