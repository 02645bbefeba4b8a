/** An empty conversation: how to begin, and some suggestions. */
import { Code, ListTodo, Mail, Route } from "lucide-react";
import { useTranslation } from "react-i18next";

import { Mark } from "@/shared/ui/brand";

const IDEAS = [
  ["explain", Code],
  ["mail", Mail],
  ["plan", Route],
  ["list", ListTodo],
] as const;

export function Welcome({ onIdea }: { onIdea: (text: string) => void }) {
  const { t } = useTranslation();
  return (
    <div className="m-auto flex w-full max-w-2xl flex-col items-center text-center sm:px-4 sm:py-6">
      <Mark className="mb-4 size-12 sm:mb-5 sm:size-14" />
      <h2 className="text-2xl font-semibold tracking-tight sm:text-3xl">{t("chat.welcome.title")}</h2>
      <p className="mt-3 max-w-lg text-balance text-muted">{t("chat.welcome.lead")}</p>
      <ul
        aria-label={t("chat.welcome.suggestions")}
        className="mt-6 grid w-full gap-2 text-left sm:mt-8 sm:grid-cols-2"
      >
        {IDEAS.map(([idea, Icon]) => {
          const text = t(`chat.welcome.ideas.${idea}`);
          return (
            <li key={idea} className="max-sm:last:hidden">
              <button
                type="button"
                className="flex h-full w-full items-start gap-3 rounded-xl border border-line bg-surface px-4 py-3 text-left text-sm transition-colors hover:border-accent hover:bg-raised"
                onClick={() => onIdea(text)}
              >
                <Icon size={18} aria-hidden className="mt-px shrink-0 text-accent" />
                {text}
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
