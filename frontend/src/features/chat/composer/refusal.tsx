/** Why something was not done, above the composer, until it is put away or done after all. */
import { TriangleAlert, X } from "lucide-react";
import { useTranslation } from "react-i18next";

import { sentence } from "../messages/answer-notice";
import type { Problem } from "../stream/live-answer";

/** What the page says better than the server, which speaks to programs too. */
const OWN_WORDS: Record<
  string,
  "chat.problems.unreachable" | "chat.problems.busy" | "chat.notThere" | undefined
> = {
  unreachable: "chat.problems.unreachable",
  busy: "chat.problems.busy",
  not_found: "chat.notThere",
};

export function Refusal({ problem, onDismiss }: { problem: Problem; onDismiss: () => void }) {
  const { t } = useTranslation();
  const known = OWN_WORDS[problem.code];
  const text = known ? t(known) : sentence(problem.message);
  return (
    <div className="mx-auto mb-2 w-full max-w-3xl px-3 sm:px-4">
      <div
        role="alert"
        className="flex items-center gap-3 rounded-xl border border-danger/50 bg-danger/10 px-3 py-1.5 text-sm"
      >
        <TriangleAlert size={16} aria-hidden className="shrink-0 text-danger" />
        <p className="min-w-0 flex-1 break-words">
          <strong className="font-semibold">{t("chat.problems.refused")}.</strong> {text}
        </p>
        <button type="button" className="button-quiet" aria-label={t("chat.dismiss")} onClick={onDismiss}>
          <X size={16} aria-hidden />
        </button>
      </div>
    </div>
  );
}
