/** The page before the first word: what to do, and some ways to begin. */
import { Mic } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import { useModels } from "../queries";

const IDEAS = ["explain", "mail", "plan", "list"] as const;

export function Welcome({ onIdea }: { onIdea: (text: string) => void }) {
  const { t } = useTranslation();
  const { data: models } = useModels();
  const isEchoOnly = models !== undefined && models.every((id) => id === "echo");
  return (
    <div className="m-auto flex w-full max-w-2xl flex-col items-center text-center sm:px-4 sm:py-6">
      <span className="mb-5 grid h-14 w-14 place-items-center rounded-2xl bg-brand text-white shadow-lg">
        <Mic size={28} aria-hidden />
      </span>
      <h2 className="text-2xl font-semibold tracking-tight sm:text-3xl">{t("chat.welcome.title")}</h2>
      <p className="mt-3 max-w-lg text-balance text-muted">{t("chat.welcome.lead")}</p>
      <ul
        aria-label={t("chat.welcome.suggestions")}
        className="mt-8 grid w-full gap-2 text-left sm:grid-cols-2"
      >
        {IDEAS.map((idea) => {
          const text = t(`chat.welcome.ideas.${idea}`);
          return (
            <li key={idea}>
              <button
                type="button"
                className="h-full w-full rounded-xl border border-line bg-surface px-4 py-3 text-left text-sm transition-colors hover:border-accent hover:bg-raised"
                onClick={() => onIdea(text)}
              >
                {text}
              </button>
            </li>
          );
        })}
      </ul>
      {isEchoOnly && (
        <p className="mt-6 text-sm text-muted">
          {t("chat.welcome.echoOnly")}{" "}
          <Link href="/settings" className="text-accent underline underline-offset-2">
            {t("chat.welcome.connect")}
          </Link>
        </p>
      )}
    </div>
  );
}
